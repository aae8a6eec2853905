/**
 * Intervals from bootstrap replicates.
 *
 * The percentile interval is too narrow for few examples, by the factor `sqrt((n - 1) / n)` of the
 * plug-in variance and by the normal quantile where Student's belongs. The expanded percentile
 * interval (Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician
 * 69, 2015) takes quantiles further out to make up for both. That is the interval used throughout.
 *
 * @module
 */

/** How intervals are made, in words for a table's foot. */
export const INTERVAL_METHOD = "95 % expanded percentile bootstrap";

/**
 * Fewest pairs for which a difference can be claimed: a two-sided sign test of five pairs cannot
 * fall below 0.05 (2 / 2^5), of six it can.
 */
export const FEWEST_EXAMPLES = 6;

const NORMAL_QUANTILE = 1.959963984540054;

/** A two-sided 95 % interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Distribution function of the normal law (Abramowitz and Stegun, 7.1.26; error below 1.5e-7). */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail = t * Math.exp(-x * x) *
    (0.254829592 +
      t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return z < 0 ? tail / 2 : 1 - tail / 2;
}

/** Student's 97.5 % quantile (Abramowitz and Stegun, 26.7.5), good to 0.002 from 5 degrees on. */
function studentQuantile(degrees: number): number {
  const z = NORMAL_QUANTILE;
  const z2 = z * z;
  return z + z * (z2 + 1) / (4 * degrees) +
    z * ((5 * z2 + 16) * z2 + 3) / (96 * degrees ** 2) +
    z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * degrees ** 3) +
    z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * degrees ** 4);
}

/**
 * Share of replicates left out on each side of a 95 % interval from `examples` examples.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tailShare } from "./interval.ts";
 *
 * assertAlmostEquals(tailShare(1_000_000), 0.025, 1e-4);
 * ```
 */
export function tailShare(examples: number): number {
  if (examples < 2) return 0;
  return normalBelow(-Math.sqrt(examples / (examples - 1)) * studentQuantile(examples - 1));
}

/**
 * The expanded percentile interval of replicates.
 *
 * @param replicates at least one value
 * @param examples how many examples each replicate drew
 */
export function interval(replicates: Float64Array, examples: number): Interval {
  const sorted = replicates.toSorted();
  const tail = tailShare(examples);
  return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
}

/** Linear interpolation between order statistics, `sorted` ascending, `share` in 0..1. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (at - below);
}
