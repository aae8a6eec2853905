/**
 * The 8-bit float e4m3fn (4 exponent bits, bias 7, 3 mantissa bits, no infinity, largest 448,
 * smallest subnormal 2^-9) as the storage format of scales and zero points.
 *
 * Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433, table 1.
 *
 * @module
 */

/** Largest finite e4m3fn value. */
export const FLOAT8_MAX = 448;

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

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
  floats[0] = x;
  const bits = floatBits[0]!;
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  // Below 2^-6 the format is subnormal with a fixed step of 2^-9. Scaling by 2^9 is exact, and
  // adding 1.5 * 2^52 rounds to an integer, ties to even; 8 steps carry into the first normal.
  if (magnitude < 0x3c800000) {
    return sign | (Math.abs(x) * 512 + 6755399441055744 - 6755399441055744);
  }
  // Keep 3 of 23 mantissa bits: add half a step minus one, plus the last kept bit.
  const rounded = (magnitude + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20;
  return sign | Math.min(rounded - (120 << 3), 0x7e);
}

/** The value of 8 e4m3fn bits (NaN for 0x7f and 0xff). */
export function fromFloat8Bits(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >>> 3) & 15;
  const mantissa = bits & 7;
  if (exponent === 15 && mantissa === 7) return NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -9 : sign * (8 + mantissa) * 2 ** (exponent - 10);
}
