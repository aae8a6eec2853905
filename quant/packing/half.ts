/**
 * IEEE 754 binary16 ("half", f16) as the storage format of scales and zero points.
 *
 * @module
 */

/** Largest finite half-precision value. */
export const HALF_MAX = 65504;

const halves = new Float16Array(1);
const halfBitsView = new Uint16Array(halves.buffer);

/**
 * The 16 bits of the half-precision value nearest to `x`, ties to even; beyond the finite range
 * (±65504) it saturates, so that no stored parameter is infinite.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toHalfBits } from "./half.ts";
 *
 * assertEquals(toHalfBits(1), 0x3c00);
 * assertEquals(toHalfBits(1e6), 0x7bff);
 * ```
 */
export function toHalfBits(x: number): number {
  halves[0] = x > HALF_MAX ? HALF_MAX : x < -HALF_MAX ? -HALF_MAX : x;
  return halfBitsView[0]!;
}

/** The value of 16 half-precision bits. */
export function fromHalfBits(bits: number): number {
  halfBitsView[0] = bits;
  return halves[0]!;
}

/** Rounds `x` to the nearest half-precision value (ties to even, saturating at ±65504). */
export function roundToHalf(x: number): number {
  return fromHalfBits(toHalfBits(x));
}

/** A product of entries near the end of the float32 range may overflow; a number must come out. */
export function finiteHalf(x: number): number {
  if (Math.abs(x) <= HALF_MAX) return x;
  return x > 0 ? HALF_MAX : x < 0 ? -HALF_MAX : 0;
}
