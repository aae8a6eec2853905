/**
 * The Pareto front of quality against memory.
 *
 * @module
 */

/** A result that costs something and gives something. */
export interface Tradeoff {
  /** Less is better, such as MiB. */
  readonly cost: number;
  /** More is better, such as `quality_main`. */
  readonly gain: number;
}

/**
 * The results that no other beats: none costs at most as much and gains at least as much, one of
 * the two strictly. Ordered by cost; equal results are all kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { paretoFront } from "./pareto.ts";
 *
 * const cheap = { cost: 1, gain: 90 };
 * const good = { cost: 2, gain: 99 };
 * const beaten = { cost: 3, gain: 98 };
 * assertEquals(paretoFront([beaten, good, cheap]), [cheap, good]);
 * ```
 */
export function paretoFront<T extends Tradeoff>(results: readonly T[]): T[] {
  const beats = (a: Tradeoff, b: Tradeoff) =>
    a.cost <= b.cost && a.gain >= b.gain && (a.cost < b.cost || a.gain > b.gain);
  return results
    .filter((result) => !results.some((other) => beats(other, result)))
    .toSorted((a, b) => a.cost - b.cost);
}
