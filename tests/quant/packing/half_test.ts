import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromHalfBits, HALF_MAX, roundToHalf, toHalfBits } from "../../../quant/packing/half.ts";

Deno.test("every finite half-precision value keeps its bits", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    if ((bits & 0x7c00) === 0x7c00) continue;
    assertEquals(toHalfBits(fromHalfBits(bits)), bits);
  }
});

Deno.test("roundToHalf takes the nearest value, the even one of two", () => {
  const bits = fc.integer({ min: 0, max: 0x7bfe });
  fc.assert(fc.property(bits, fc.double({ min: 0, max: 1, noNaN: true }), (lower, share) => {
    const low = fromHalfBits(lower);
    const high = fromHalfBits(lower + 1);
    const x = low + (high - low) * share;
    const middle = (low + high) / 2;
    const even = lower % 2 === 0 ? low : high;
    assertEquals(roundToHalf(x), x < middle ? low : x > middle ? high : even);
    assertEquals(roundToHalf(middle), even);
  }));
});

Deno.test("roundToHalf saturates instead of becoming infinite", () => {
  for (const x of [65504, 65519, 65520, 1e30, Infinity]) {
    assertEquals(roundToHalf(x), HALF_MAX);
    assertEquals(roundToHalf(-x), -HALF_MAX);
  }
});
