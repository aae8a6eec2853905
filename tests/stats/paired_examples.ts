/** Examples with known noise, for tests of the statistics. */
import type { ScoredExample } from "../../stats/example_totals.ts";
import { randomSource } from "../../quant/numerics/random.ts";

/** Chances of one synthetic policy. */
export interface Chances {
  /** That a step repeats the reference's token. */
  readonly match: number;
  /** That an answer is exact. */
  readonly exact: number;
  /** Upper end of a step's KL. */
  readonly kl: number;
  /** Upper end of a step's squared cache error. */
  readonly error: number;
}

/** `count` examples of 1 to 12 steps each, drawn from `chances`. */
export function drawExamples(count: number, chances: Chances, seed: number): ScoredExample[] {
  const random = randomSource(seed);
  const share = () => random.below(1_000_000) / 1_000_000;
  return Array.from({ length: count }, (_, i) => ({
    id: `example-${i}`,
    score: share() < chances.exact ? 1 : 0,
    steps: Array.from({ length: 1 + random.below(12) }, () => ({
      token: share() < chances.match ? 1 : 0,
      referenceToken: 1,
      kl: chances.kl * share(),
      squaredError: chances.error * share(),
    })),
  }));
}
