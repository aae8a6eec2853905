import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { packRow, unpackRow, wordsPerRow } from "../../../quant/packing/bit_packing.ts";

const row = fc.integer({ min: 1, max: 8 }).chain((bits) =>
  fc.record({
    bits: fc.constant(bits),
    codes: fc.array(fc.integer({ min: 0, max: 2 ** bits - 1 }), { minLength: 1, maxLength: 200 }),
    at: fc.integer({ min: 0, max: 3 }),
  })
);

Deno.test("packRow writes the bit stream with the first code lowest", () => {
  fc.assert(fc.property(row, ({ bits, codes, at }) => {
    const size = wordsPerRow(codes.length, bits);
    const words = new Uint32Array(at + size + 1).fill(0xdeadbeef);
    packRow(Int32Array.from(codes), codes.length, bits, words, at);
    const stream = codes.reduce((sum, code, i) => sum | BigInt(code) << BigInt(i * bits), 0n);
    const expected = Array.from(
      { length: size },
      (_, word) => Number(stream >> BigInt(32 * word) & 0xffffffffn),
    );
    assertEquals(Array.from(words.subarray(at, at + size)), expected);
    assertEquals(words[at + size], 0xdeadbeef);
    assertEquals(Array.from(words.subarray(0, at)), Array(at).fill(0xdeadbeef));
  }));
});

Deno.test("unpackRow reads back what packRow wrote, to the end of the buffer", () => {
  fc.assert(fc.property(row, ({ bits, codes, at }) => {
    const words = new Uint32Array(at + wordsPerRow(codes.length, bits));
    packRow(Int32Array.from(codes), codes.length, bits, words, at);
    const back = new Int32Array(codes.length);
    unpackRow(words, at, codes.length, bits, back);
    assertEquals(Array.from(back), codes);
  }));
});

Deno.test("packRow keeps whole words of 2-bit codes in the order of KIVI's packer", () => {
  const codes = Int32Array.from({ length: 16 }, (_, i) => i % 4);
  const words = new Uint32Array(1);
  packRow(codes, 16, 2, words, 0);
  assertEquals(words[0], 0xe4e4e4e4);
});
