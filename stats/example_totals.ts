/**
 * What one example contributes to the pooled numbers of its slice. Sums, so that a resample is
 * added up without going back to its steps.
 *
 * @module
 */
import { quality, type StepOutcome } from "../replay/metric.ts";

/** One example under one policy, as far as statistics need it. */
export interface ScoredExample {
  readonly id: string;
  /** Score of the replayed answer, 0..1. */
  readonly score: number;
  /** At least one. */
  readonly steps: readonly Pick<
    StepOutcome,
    "token" | "referenceToken" | "kl" | "squaredError"
  >[];
}

/** Sums over the steps of one example, or of several. */
export interface ExampleTotals {
  readonly steps: number;
  /** Steps whose token is the reference's. */
  readonly matches: number;
  /** Sum of `exp(-KL)`. */
  readonly agreement: number;
  /** Sum of the squared relative cache errors. */
  readonly squaredError: number;
  /** Score of the answer, 0..1. */
  readonly score: number;
}

/** Adds up the steps of an example. */
export function totalsOf(example: ScoredExample): ExampleTotals {
  let matches = 0;
  let agreement = 0;
  let squaredError = 0;
  for (const step of example.steps) {
    if (step.token === step.referenceToken) matches++;
    agreement += Math.exp(-step.kl);
    squaredError += step.squaredError;
  }
  return { steps: example.steps.length, matches, agreement, squaredError, score: example.score };
}

/** The numbers of a slice that statistics are made for; definitions as in `SliceNumbers`. */
export interface PooledNumbers {
  /** 0..100. */
  readonly quality_main: number;
  /** 0..100. */
  readonly task_score: number;
  /** 0..1. */
  readonly greedy_match_ratio: number;
  /** 0..1. */
  readonly replay_agreement: number;
  readonly cache_error: number;
}

/** Names of the numbers that statistics are made for. */
export const POOLED_FIELDS = [
  "quality_main",
  "task_score",
  "greedy_match_ratio",
  "replay_agreement",
  "cache_error",
] as const;

/**
 * Pools examples as the contract does: steps are pooled over examples, scores are averaged.
 *
 * @param totals one per example; an example drawn twice counts twice
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pool, totalsOf } from "./example_totals.ts";
 *
 * const step = { token: 5, referenceToken: 5, kl: 0, squaredError: 0 };
 * const exact = totalsOf({ id: "a", score: 1, steps: [step, step] });
 * assertEquals(pool([exact]).quality_main, 100);
 * ```
 */
export function pool(totals: Iterable<ExampleTotals>): PooledNumbers {
  let examples = 0;
  let steps = 0;
  let matches = 0;
  let agreement = 0;
  let squaredError = 0;
  let score = 0;
  for (const t of totals) {
    examples++;
    steps += t.steps;
    matches += t.matches;
    agreement += t.agreement;
    squaredError += t.squaredError;
    score += t.score;
  }
  const cacheError = Math.sqrt(squaredError / steps);
  const meanAgreement = rounded(agreement / steps);
  return {
    quality_main: rounded(quality(matches / steps, meanAgreement, cacheError)),
    task_score: 100 * score / examples,
    greedy_match_ratio: matches / steps,
    replay_agreement: meanAgreement,
    cache_error: cacheError,
  };
}

/** Six decimals, as `summarize` rounds: a difference in a float32's last bits is none. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
