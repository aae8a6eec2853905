import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Frame, frameCodec } from "../../sandbox/frame.ts";

const nonce = fc.uint8Array({ minLength: 16, maxLength: 16 });
const frame = fc.record({
  kind: fc.nat({ max: 255 }),
  seq: fc.nat({ max: 2 ** 32 - 1 }),
  body: fc.uint8Array({ maxLength: 200 }).map((body) => new Uint8Array(body)),
}, { noNullPrototype: true });

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("messages are found again however the stream is cut", () => {
  const property = fc.property(
    nonce,
    fc.array(frame, { maxLength: 5 }),
    fc.array(fc.integer({ min: 1, max: 40 })),
    (mark, frames, cuts) => {
      const codec = frameCodec();
      const bytes = joined(frames.map((f) => codec.encode(f.kind, f.seq, mark, f.body)));
      const reader = codec.reader(mark, 1000);
      const found: Frame[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        found.push(...reader.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      assertEquals(found, frames);
    },
  );
  fc.assert(property);
});

Deno.test("a change of any byte of the header but number and length is noticed", () => {
  const codec = frameCodec();
  const property = fc.property(
    nonce,
    frame,
    fc.nat({ max: 31 }),
    fc.integer({ min: 1, max: 255 }),
    (
      mark,
      { kind, seq, body },
      at,
      change,
    ) => {
      fc.pre(at < 5 || at >= 16);
      const bytes = codec.encode(kind, seq, mark, body);
      bytes[at] = bytes[at]! ^ change;
      assertThrows(() => codec.reader(mark, 1000).push(bytes));
    },
  );
  fc.assert(property);
});

Deno.test("a message that announces too much is refused before it arrives", () => {
  const codec = frameCodec();
  const mark = new Uint8Array(16);
  const bytes = codec.encode(3, 1, mark, new Uint8Array(101));
  assertThrows(
    () => codec.reader(mark, 100).push(bytes.subarray(0, 32)),
    Error,
    "A message of 101 bytes, where at most 100 are allowed",
  );
  assert(codec.reader(mark, 101).push(bytes).length === 1);
});
