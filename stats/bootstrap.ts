/**
 * The paired bootstrap: examples are drawn with replacement, the same draws for every policy, and
 * the pooled numbers are worked out again for each draw.
 *
 * @module
 */
import { type ExampleTotals, pool, POOLED_FIELDS, type PooledNumbers } from "./example_totals.ts";
import { randomSource } from "../quant/numerics/random.ts";

/** How often and from which seed to draw. */
export interface ResampleOptions {
  /** Number of resamples; default `DEFAULT_RESAMPLES`. */
  readonly resamples?: number;
  readonly seed: number;
}

/** Resamples behind every interval unless said otherwise. */
export const DEFAULT_RESAMPLES = 10_000;

/** One value per resample, for each pooled number. */
export type Replicates = Readonly<Record<keyof PooledNumbers, Float64Array>>;

/**
 * Replicates of one policy's pooled numbers. Two policies given in the same order of examples, with
 * the same options, see the same draws, so that subtracting their replicates is the paired bootstrap.
 *
 * @param totals one per example, at least one
 */
export function replicate(
  totals: readonly ExampleTotals[],
  { resamples = DEFAULT_RESAMPLES, seed }: ResampleOptions,
): Replicates {
  const random = randomSource(seed);
  const out = Object.fromEntries(
    POOLED_FIELDS.map((field) => [field, new Float64Array(resamples)]),
  ) as Record<keyof PooledNumbers, Float64Array>;
  const drawn = new Array<ExampleTotals>(totals.length);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < drawn.length; i++) drawn[i] = totals[random.below(totals.length)]!;
    const numbers = pool(drawn);
    for (const field of POOLED_FIELDS) out[field][r] = numbers[field];
  }
  return out;
}

/** What one example gives to a mean over parts of examples, such as the tokens of a text. */
export interface MeanPart {
  readonly sum: number;
  readonly count: number;
}

/**
 * Replicates of `sum of sums / sum of counts`, with the draws that `replicate` makes from the same
 * options and as many examples.
 *
 * @param parts one per example, at least one, each of a count above 0
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { replicateMean } from "./bootstrap.ts";
 *
 * const parts = [{ sum: 6, count: 2 }, { sum: 3, count: 1 }];
 * assertEquals([...replicateMean(parts, { seed: 1, resamples: 3 })], [3, 3, 3]);
 * ```
 */
export function replicateMean(
  parts: readonly MeanPart[],
  { resamples = DEFAULT_RESAMPLES, seed }: ResampleOptions,
): Float64Array {
  const random = randomSource(seed);
  return Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[random.below(parts.length)]!;
      sum += part.sum;
      count += part.count;
    }
    return sum / count;
  });
}

/** `a - b`, replicate by replicate. */
export function subtract(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, r) => value - b[r]!);
}

/** Mean of several replicates of one length, for a number averaged over independent slices. */
export function average(parts: readonly Float64Array[]): Float64Array {
  return parts[0]!.map((_, r) => parts.reduce((sum, p) => sum + p[r]!, 0) / parts.length);
}

/** Standard deviation of a sample; of replicates, the bootstrap's standard error. */
export function standardDeviation(values: Float64Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
