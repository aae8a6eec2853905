/**
 * How sure a ratio of speeds is, whatever noise is like: the interval of a median from order
 * statistics (Conover, "Practical Nonparametric Statistics", 1999, section 3.2).
 *
 * @module
 */
import { median } from "../../replay/metric.ts";

/** Least share of intervals that hold the true median. */
export const COVERAGE = 0.99;

/** With fewer ratios than this even their whole range falls short of `COVERAGE`. */
export const FEWEST_RATIOS = 8;

/** A slowdown that is told, but does not count: code that lies elsewhere in memory can be so slow. */
export const TOLERATED = 0.03;

/** A median and its interval. */
export interface RatioInterval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The median of ratios, and the narrowest interval between two of them that holds the true one with
 * `COVERAGE`.
 *
 * @param ratios `FEWEST_RATIOS` at least, independent of each other
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ratioInterval } from "./ratio_interval.ts";
 *
 * const ratios = [1.4, 1.1, 1, 1.2, 0.9, 1.1, 1.2, 1];
 * assertEquals(ratioInterval(ratios), { median: 1.1, low: 0.9, high: 1.4 });
 * ```
 */
export function ratioInterval(ratios: readonly number[]): RatioInterval {
  const sorted = ratios.toSorted((a, b) => a - b);
  const n = sorted.length;
  // The share of samples with so few ratios on one side of the median: binomial, a half.
  let cut = 0;
  let probability = 2 ** -n;
  for (let tail = probability;; cut++) {
    probability *= (n - cut) / (cut + 1);
    tail += probability;
    if (1 - 2 * tail < COVERAGE) break;
  }
  return { median: median(sorted), low: sorted[cut]!, high: sorted[n - 1 - cut]! };
}

/** Whether a tree is slower than another beyond noise, by the ratios of its speed to the other's. */
export function isRegression({ median, high }: RatioInterval): boolean {
  return high < 1 && median < 1 - TOLERATED;
}
