/**
 * The largest magnitude of a block: what scales are made of.
 *
 * @module
 */

/**
 * The largest magnitude of some numbers; 0 for none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { largestMagnitude } from "./largest_magnitude.ts";
 *
 * assertEquals(largestMagnitude(Float32Array.of(1, -3, 2)), 3);
 * ```
 */
export function largestMagnitude(entries: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < entries.length; i++) largest = Math.max(largest, Math.abs(entries[i]!));
  return largest;
}
