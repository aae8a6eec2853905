/**
 * bfloat16, the upper half of a float32, as a storage format.
 *
 * @module
 */

/** Bits of the largest finite value. */
const MOST = 0x7f7f;

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

/**
 * The 16 bits of the bfloat16 nearest to `x`, ties to even; beyond the finite range it saturates.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bfloat16Bits, fromBfloat16Bits } from "./bfloat16.ts";
 *
 * assertEquals(fromBfloat16Bits(bfloat16Bits(1.01)), 1.0078125);
 * ```
 */
export function bfloat16Bits(x: number): number {
  floats[0] = x;
  const bits = floatBits[0]!;
  const magnitude = bits & 0x7fffffff;
  const rounded = (magnitude + 0x7fff + (magnitude >>> 16 & 1)) >>> 16;
  return bits >>> 16 & 0x8000 | Math.min(rounded, MOST);
}

/** The value of 16 bfloat16 bits. */
export function fromBfloat16Bits(bits: number): number {
  floatBits[0] = bits << 16;
  return floats[0]!;
}
