/**
 * Floating-point numbers of 4 and 8 bits without infinities, as codes and as scales:
 *
 * - e4m3 (e4m3fn: largest 448, step 2^-9 below 2^-6) and e5m2 (largest finite 57,344), Micikevicius
 *   et al., "FP8 formats for deep learning", arXiv 2209.05433, table 1;
 * - e2m1 (0, 0.5, 1, 1.5, 2, 3, 4, 6) and the scale e8m0, a power of two, of "OCP Microscaling
 *   Formats (MX) Specification" 1.0, sections 5.3 and 5.4.
 *
 * The bits are sign, exponent, mantissa.
 *
 * @module
 */

/** A format with a sign. */
export interface Minifloat {
  readonly mantissaBits: number;
  /** Exponent of the smallest normal value; below it steps are even. */
  readonly leastExponent: number;
  /** 1 over those steps: `2^(mantissaBits - leastExponent)`. */
  readonly leastSteps: number;
  /** Bits of the largest finite value. */
  readonly mostBits: number;
  /** Position of the sign. */
  readonly signBit: number;
}

/** 4 exponent bits, 3 mantissa bits. */
export const E4M3: Minifloat = {
  mantissaBits: 3,
  leastExponent: -6,
  leastSteps: 2 ** 9,
  mostBits: 0x7e,
  signBit: 7,
};
/** 5 exponent bits, 2 mantissa bits. */
export const E5M2: Minifloat = {
  mantissaBits: 2,
  leastExponent: -14,
  leastSteps: 2 ** 16,
  mostBits: 0x7b,
  signBit: 7,
};
/** 2 exponent bits, 1 mantissa bit. */
export const E2M1: Minifloat = {
  mantissaBits: 1,
  leastExponent: 0,
  leastSteps: 2,
  mostBits: 7,
  signBit: 3,
};

/** Bias of exponents in a float32. */
const BIAS = 127;

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

/**
 * The bits of the value nearest to `x`, ties to even; beyond the largest value it saturates.
 *
 * @param x any number but NaN, rounded to float32 first
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { E2M1, fromMinifloat, toMinifloat } from "./minifloat.ts";
 *
 * const rounded = (x: number) => fromMinifloat(E2M1, toMinifloat(E2M1, x));
 * assertEquals([0.2, 1.25, 2.6, -5, 100].map(rounded), [0, 1, 3, -4, 6]);
 * ```
 */
export function toMinifloat(format: Minifloat, x: number): number {
  floats[0] = x;
  return nearest(format, floats[0], floatBits[0]!);
}

/** `toMinifloat` of every value. */
export function toMinifloats(format: Minifloat, values: Float32Array, codes: Int32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) codes[i] = nearest(format, values[i]!, bits[i]!);
}

function nearest(
  { mantissaBits, leastExponent, leastSteps, mostBits, signBit }: Minifloat,
  x: number,
  bits: number,
): number {
  const magnitude = bits & 0x7fffffff;
  // A fixed step below the first normal value. Scaling is exact, and adding 1.5 * 2^52 rounds to an
  // integer, ties to even; the largest carries into the first normal value.
  const even = Math.abs(x) * leastSteps + 6755399441055744 - 6755399441055744 | 0;
  // Above, add half a step minus one, plus the last bit that is kept.
  const dropped = 23 - mantissaBits;
  const rounded = (magnitude + (1 << (dropped - 1)) - 1 + (magnitude >>> dropped & 1)) >>> dropped;
  const normal = Math.min(rounded - ((leastExponent - 1 + BIAS) << mantissaBits), mostBits);
  // A mask instead of a branch, which processors could not predict.
  const below = magnitude - ((leastExponent + BIAS) << 23) >> 31;
  return bits >>> 31 << signBit | even & below | normal & ~below;
}

/** The value of bits of a format; those above the largest finite value's have none. */
export function fromMinifloat(format: Minifloat, bits: number): number {
  const { mantissaBits, leastExponent, leastSteps, signBit } = format;
  const magnitude = bits & (1 << signBit) - 1;
  const exponent = magnitude >>> mantissaBits;
  const mantissa = magnitude & (1 << mantissaBits) - 1;
  const value = exponent === 0
    ? mantissa / leastSteps
    : (mantissa + (1 << mantissaBits)) * 2 ** (exponent - 1 + leastExponent - mantissaBits);
  return bits >>> signBit & 1 ? -value : value;
}

/** Largest finite value of a format. */
export function largestOf(format: Minifloat): number {
  return fromMinifloat(format, format.mostBits);
}

/** The value of an e8m0 scale, 0..254. */
export function fromE8m0(bits: number): number {
  return 2 ** (bits - BIAS);
}

/** The exponent of a finite float32, as e8m0 bits; 0 for a subnormal one. */
export function exponentBits(x: number): number {
  floats[0] = x;
  return floatBits[0]! >>> 23 & 0xff;
}
