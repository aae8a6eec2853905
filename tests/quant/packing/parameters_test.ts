import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromFloat8Bits, toFloat8Bits } from "../../../quant/packing/float8.ts";
import { roundToHalf } from "../../../quant/packing/half.ts";
import {
  loadParameters,
  type ParameterType,
  parameterWords,
  storeParameters,
} from "../../../quant/packing/parameters.ts";

const rounding: Record<ParameterType, (x: number) => number> = {
  f16: roundToHalf,
  f32: Math.fround,
  fp8: (x) => fromFloat8Bits(toFloat8Bits(x)),
};

const value = fc.float({ min: -600, max: 600, noNaN: true });

Deno.test("parameters come back rounded to their type, in any order of groups", () => {
  for (const type of ["f16", "f32", "fp8"] as const) {
    fc.assert(fc.property(
      fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 20 }),
      (pairs, cut) => {
        const scale = Float32Array.from(pairs, ([s]) => s);
        const zero = Float32Array.from(pairs, ([, z]) => z);
        const words = new Uint32Array(parameterWords(type, pairs.length));
        const first = Math.min(cut, pairs.length);
        // The later groups first: neighbours in a word must not disturb each other.
        const rest = pairs.length - first;
        storeParameters(type, scale.subarray(first), zero.subarray(first), rest, words, first);
        storeParameters(type, scale, zero, first, words, 0);
        const gotScale = new Float32Array(pairs.length);
        const gotZero = new Float32Array(pairs.length);
        loadParameters(type, words, 0, pairs.length, gotScale, gotZero);
        assertEquals(Array.from(gotScale), Array.from(scale, rounding[type]));
        assertEquals(Array.from(gotZero), Array.from(zero, rounding[type]));
      },
    ));
  }
});

Deno.test("parameters take the bytes of their type", () => {
  assertEquals(parameterWords("f16", 7), 7);
  assertEquals(parameterWords("f32", 7), 14);
  assertEquals(parameterWords("fp8", 7), 4);
});
