/**
 * How sure the numbers of a slice are: an interval for every mean, and every pair of policies
 * compared example by example.
 *
 * @module
 */
import type { NamedOutcome, PolicyResult, SliceResult } from "../evaluation/results.ts";
import { seedFor } from "../quant/numerics/random.ts";
import {
  DEFAULT_RESAMPLES,
  type MeanPart,
  replicateMean,
  type ResampleOptions,
  standardDeviation,
  subtract,
} from "../stats/bootstrap.ts";
import {
  compareDraws,
  type Difference,
  difference,
  drawnAlike,
  drawPolicy,
  haveSameExamples,
  type PairedComparison,
  type PolicyDraws,
} from "../stats/compare.ts";
import { POOLED_FIELDS } from "../stats/example_totals.ts";
import { exampleGroups, otherScores } from "./task_scores.ts";
import { type Interval, interval } from "../stats/interval.ts";

/** A pair of policies, with the means that only some runs have. */
export type ResultComparison = PairedComparison & Readonly<Partial<Record<OtherName, Difference>>>;

/** What is known of a slice's numbers beside themselves. */
export interface SliceStatistics {
  readonly resamples: number;
  readonly seed: number;
  /** 95 % intervals of a policy's means by their names, in the order of the policies. */
  readonly intervals: readonly Readonly<Record<string, Interval>>[];
  /** Those of the scores of groups, by their names. */
  readonly groups: readonly Readonly<Record<string, Interval>>[];
  /** Standard errors of the same means; none where there is one example. */
  readonly errors: readonly Readonly<Record<string, number>>[];
  /** Every pair, in the order of the policies. */
  readonly comparisons: readonly ResultComparison[];
}

/**
 * Resamples whole examples, the same draws for every policy.
 *
 * @param seed of the run; each slice has one of its own that follows from it
 */
export function sliceStatistics(
  slice: string,
  results: readonly Pick<PolicyResult, "policy" | "outcomes">[],
  seed: number,
): SliceStatistics {
  const options = { seed: seedFor(seed, slice), resamples: DEFAULT_RESAMPLES };
  const drawn = results.map(({ policy, outcomes }) => ({
    draws: drawPolicy({ policy, examples: outcomes }, options),
    more: moreMeans(outcomes, options),
  }));
  return {
    resamples: options.resamples,
    seed,
    intervals: drawn.map((policy) => ofEach(policy, interval)),
    groups: results.map(({ outcomes }) => groupIntervals(outcomes, options)),
    errors: drawn.map((policy) =>
      policy.draws.examples.length < 2 ? {} : ofEach(policy, standardDeviation)
    ),
    comparisons: drawn.flatMap((a, i) =>
      drawn.slice(i + 1).map((b) => ({ ...compared(a, b), seed }))
    ),
  };
}

/** Of all slices of a run, in their order. */
export function runStatistics(
  { seed }: { readonly seed: number },
  reports: readonly { readonly result: SliceResult }[],
): SliceStatistics[] {
  return reports.map(({ result }) => sliceStatistics(result.slice, result.results, seed));
}

/** Means that only some runs have; the scores beside the first are called `task_score_NAME`. */
type OtherName = keyof typeof OTHER_MEANS | `task_score_${string}`;

/** A mean that only some runs have. */
interface OtherMean {
  readonly point: number;
  readonly replicates: Float64Array;
}

interface Drawn {
  readonly draws: PolicyDraws;
  readonly more: Readonly<Record<string, OtherMean>>;
}

/** What an example gives to such a mean; undefined where it has none. */
const OTHER_MEANS = {
  mean_nll: ({ nll }: NamedOutcome) => nll === undefined ? undefined : allOf(nll),
  mean_kl: ({ nll, steps }: NamedOutcome) =>
    nll === undefined ? undefined : allOf(steps.map(({ kl }) => kl)),
  generated_task_score: ({ generated }: NamedOutcome) =>
    generated === undefined ? undefined : allOf([100 * generated.score]),
  generated_same_tokens: ({ generated }: NamedOutcome) =>
    generated === undefined ? undefined : allOf([generated.divergence ?? generated.tokens.length]),
  generated_diverged: ({ generated }: NamedOutcome) =>
    generated === undefined ? undefined : allOf([Number(generated.divergence !== null)]),
} as const satisfies Record<string, PartOf>;

type PartOf = (outcome: NamedOutcome) => MeanPart | undefined;

function allOf(values: readonly number[]): MeanPart {
  return { sum: values.reduce((a, b) => a + b, 0), count: values.length };
}

/** Those, and the scores that a benchmark has beside its first. */
function partsBy(outcomes: readonly NamedOutcome[]): Record<string, PartOf> {
  const names = otherScores(outcomes).map(({ name }) => name);
  const scores = names.map((name): [string, PartOf] => [
    `task_score_${name}`,
    ({ scores = {} }) => Object.hasOwn(scores, name) ? allOf([100 * scores[name]!]) : undefined,
  ]);
  return { ...OTHER_MEANS, ...Object.fromEntries(scores) };
}

function moreMeans(
  outcomes: readonly NamedOutcome[],
  options: ResampleOptions,
): Record<string, OtherMean> {
  const means: Record<string, OtherMean> = {};
  for (const [name, part] of Object.entries(partsBy(outcomes))) {
    const parts = outcomes.flatMap((outcome) => part(outcome) ?? []);
    if (parts.length === 0 || parts.length < outcomes.length) continue;
    const total = (of: keyof MeanPart) => parts.reduce((sum, part) => sum + part[of], 0);
    means[name] = {
      point: total("sum") / total("count"),
      replicates: replicateMean(parts, options),
    };
  }
  return means;
}

/** Of the scores of each group, whose examples are drawn by themselves. */
function groupIntervals(
  outcomes: readonly NamedOutcome[],
  options: ResampleOptions,
): Record<string, Interval> {
  const groups = [...exampleGroups(outcomes)].map(([name, members]) => {
    const replicates = replicateMean(members.map(({ score }) => allOf([100 * score])), options);
    return [name, interval(replicates, members.length)];
  });
  return Object.fromEntries(groups);
}

/** Something of the replicates of every mean. */
function ofEach<V>(
  { draws, more }: Drawn,
  value: (replicates: Float64Array, examples: number) => V,
): Record<string, V> {
  const examples = draws.examples.length;
  return Object.fromEntries([
    ...POOLED_FIELDS.map((name) => [name, value(draws.replicates[name], examples)]),
    ...Object.entries(more).map(([name, mean]) => [name, value(mean.replicates, examples)]),
  ]);
}

function compared(a: Drawn, b: Drawn): ResultComparison {
  const comparison = compareDraws(...drawnAlike(a.draws, b.draws));
  if (!haveSameExamples(a.draws, b.draws)) return { ...comparison };
  const others = Object.entries(a.more).flatMap(([name, first]) => {
    const second = b.more[name];
    if (second === undefined) return [];
    const replicates = subtract(first.replicates, second.replicates);
    return [[
      name,
      difference(first.point - second.point, replicates, a.draws.examples.length),
    ]];
  });
  return { ...comparison, ...Object.fromEntries(others) };
}
