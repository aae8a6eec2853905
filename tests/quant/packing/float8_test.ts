import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FLOAT8_MAX, fromFloat8Bits, toFloat8Bits } from "../../../quant/packing/float8.ts";

Deno.test("every finite e4m3fn value keeps its bits", () => {
  for (let bits = 0; bits < 256; bits++) {
    const value = fromFloat8Bits(bits);
    if ((bits & 0x7f) === 0x7f) assert(Number.isNaN(value));
    else assertEquals(toFloat8Bits(value), bits);
  }
  assertEquals(fromFloat8Bits(0x7e), FLOAT8_MAX);
  assertEquals(fromFloat8Bits(0x01), 2 ** -9);
});

Deno.test("toFloat8Bits takes the nearest value, the even one of two", () => {
  const values = Array.from({ length: 0x7f }, (_, bits) => fromFloat8Bits(bits));
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 0x7d }),
    fc.float({ min: 0, max: 1, noNaN: true }),
    (lower, share) => {
      const [low, high] = [values[lower]!, values[lower + 1]!];
      const x = Math.fround(low + (high - low) * share);
      const middle = (low + high) / 2;
      const expected = x < middle || (x === middle && lower % 2 === 0) ? lower : lower + 1;
      assertEquals(toFloat8Bits(x), expected);
      assertEquals(toFloat8Bits(-x), expected | 0x80);
    },
  ));
});

Deno.test("toFloat8Bits saturates, and scales below 2^-10 become 0", () => {
  assertEquals(fromFloat8Bits(toFloat8Bits(464.1)), 448);
  assertEquals(fromFloat8Bits(toFloat8Bits(-1e30)), -448);
  assertEquals(toFloat8Bits(2 ** -10), 0);
  assertEquals(toFloat8Bits(2 ** -10 * 1.01), 1);
});
