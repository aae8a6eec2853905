/**
 * The 8-bit float e4m3fn (4 exponent bits, bias 7, 3 mantissa bits, no infinity, largest 448,
 * smallest subnormal 2^-9) as the storage format of scales and zero points.
 *
 * Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433, table 1.
 *
 * @module
 */
import { E4M3, fromMinifloat, toMinifloat } from "./minifloat.ts";

/** Largest finite e4m3fn value. */
export const FLOAT8_MAX = 448;

/**
 * The 8 bits of the e4m3fn value nearest to `x`, ties to even; beyond ±448 it saturates (the
 * official conversion gives NaN there).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromFloat8Bits, toFloat8Bits } from "./float8.ts";
 *
 * assertEquals(fromFloat8Bits(toFloat8Bits(0.3)), 0.3125);
 * assertEquals(fromFloat8Bits(toFloat8Bits(-1000)), -448);
 * ```
 */
export function toFloat8Bits(x: number): number {
  return toMinifloat(E4M3, x);
}

/** The value of 8 e4m3fn bits (NaN for 0x7f and 0xff). */
export function fromFloat8Bits(bits: number): number {
  return (bits & 0x7f) > E4M3.mostBits ? NaN : fromMinifloat(E4M3, bits);
}
