/** Data as bytes, and back to the last bit. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { pack, PackedValueError, unpack } from "../../calibration/packed_value.ts";

const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 9 });
const typed = fc.oneof(
  fc.float32Array({ maxLength: 9 }),
  fc.int32Array({ maxLength: 9 }),
  numbers.map((all) => Float16Array.from(all)),
);

const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    numbers,
    typed,
    fc.array(tie("value"), { maxLength: 4 }),
    // Names as the outline itself has them, too.
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$f64", "$$f32", "$")), tie("value"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
}));

Deno.test("packed data comes back as it was", () => {
  fc.assert(
    fc.property(values, (value) => {
      assertEquals(unpack(pack({ value })), { value: withoutMinusZero(value) });
    }),
    { numRuns: 300, seed: 5 },
  );
});

/** JSON, where short arrays and single numbers stay, knows one zero. */
function withoutMinusZero(value: unknown): unknown {
  if (Array.isArray(value)) {
    const isPacked = value.length >= 4 && value.every((x) => Number.isFinite(x));
    return isPacked ? value : value.map(withoutMinusZero);
  }
  if (Object.is(value, -0)) return 0;
  if (Object(value) !== value || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value as object).map(([name, own]) => [name, withoutMinusZero(own)]),
  );
}

Deno.test("packed data takes little more than its numbers", () => {
  const value = { means: new Array<number>(1000).fill(0.1), wide: new Float32Array(1000) };
  const { length } = pack(value);
  assert(length >= 12_000 && length < 12_100, `${length} bytes`);
});

Deno.test("bytes that nothing was packed into are refused, whatever they are", () => {
  const good = pack({ some: Float32Array.of(1, 2), more: [1, 2, 3, 4] });
  const outline = (value: unknown) => {
    const text = new TextEncoder().encode(JSON.stringify(value));
    const bytes = new Uint8Array(4 + text.length);
    bytes[0] = text.length;
    bytes.set(text, 4);
    return bytes;
  };
  for (
    const bytes of [
      new Uint8Array(3),
      good.subarray(0, good.length - 1),
      Uint8Array.of(255, 255, 255, 255, 1),
      outline({ $f64: [0, 1e9] }),
      outline({ $f32: [-1, 1] }),
      outline({ $i32: [0.5, 1] }),
      outline({ $f16: "all" }),
      outline({ $f64: null }),
      Uint8Array.of(1, 0, 0, 0, 123),
    ]
  ) {
    assertThrows(() => unpack(bytes as Uint8Array<ArrayBuffer>), PackedValueError);
  }
  fc.assert(
    fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      try {
        unpack(bytes);
      } catch (error) {
        assert(error instanceof PackedValueError, String(error));
      }
    }),
    { numRuns: 500, seed: 6 },
  );
});
