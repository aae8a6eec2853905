/**
 * Percentiles with linear interpolation, as numpy.percentile and torch.quantile define them.
 *
 * @module
 */

/**
 * The `p`-th percentile (0..100) of values sorted in ascending order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { percentile } from "./percentile.ts";
 *
 * assertEquals(percentile(Float32Array.of(1, 2, 4, 8), 50), 3);
 * ```
 */
export function percentile(sorted: Float32Array, p: number): number {
  const rank = (sorted.length - 1) * p / 100;
  const below = Math.floor(rank);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (rank - below);
}
