/** Codes of a block of a row in bytes, bit by bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  packHalves,
  packStream,
  putNumber,
  takeNumber,
  unpackHalves,
  unpackStream,
} from "../../../../quant/stores/row/row_codes.ts";

const COUNT = 32;

const codesOf = (width: number) =>
  fc.array(fc.nat({ max: 2 ** width - 1 }), { minLength: COUNT, maxLength: COUNT })
    .map((codes) => Int32Array.from(codes));

/** Bit `at` of the bytes, the lowest of a byte first. */
const bitOf = (bytes: Uint8Array, at: number) => bytes[at >>> 3]! >>> (at & 7) & 1;

for (const width of [1, 2, 3, 4, 5, 6, 8, 16]) {
  Deno.test(`a stream of ${width} bits has code i at bit ${width} i, and is read back`, () => {
    fc.assert(fc.property(codesOf(width), fc.nat({ max: 3 }), (codes, at) => {
      const bytes = new Uint8Array(at + COUNT * width / 8 + 1);
      packStream(codes, width, bytes, at);
      const packed = Int32Array.from(codes, (_, i) => {
        let code = 0;
        for (let b = 0; b < width; b++) code |= bitOf(bytes, 8 * at + i * width + b) << b;
        return code;
      });
      assertEquals(packed, codes);
      assertEquals([bytes.slice(0, at).some(Boolean), bytes.at(-1)], [false, 0]);
      const read = new Int32Array(COUNT);
      unpackStream(bytes, at, width, read);
      assertEquals(read, codes);
    }));
  });
}

for (const width of [4, 5]) {
  Deno.test(`halves of ${width} bits lie as ggml has them, and are read back`, () => {
    fc.assert(fc.property(codesOf(width), fc.nat({ max: 3 }), (codes, at) => {
      const bytes = new Uint8Array(at + COUNT * width / 8);
      packHalves(codes, width, bytes, at);
      const nibbles = at + (width - 4) * COUNT / 8;
      const packed = Int32Array.from(codes, (_, i) => {
        const byte = bytes[nibbles + i % (COUNT / 2)]!;
        const low = i < COUNT / 2 ? byte & 15 : byte >>> 4;
        return width === 5 ? low | bitOf(bytes, 8 * at + i) << 4 : low;
      });
      assertEquals(packed, codes);
      const read = new Int32Array(COUNT);
      unpackHalves(bytes, at, width, read);
      assertEquals(read, codes);
    }));
  });
}

Deno.test("a number takes its bytes, the lowest first", () => {
  const bytes = new Uint8Array(6);
  putNumber(0xfedcba98, 32, bytes, 1);
  assertEquals([...bytes], [0, 0x98, 0xba, 0xdc, 0xfe, 0]);
  assertEquals([32, 16, 8].map((width) => takeNumber(width, bytes, 1)), [0xfedcba98, 0xba98, 0x98]);
});
