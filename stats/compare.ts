/**
 * Two policies on the same examples: how far apart they are, and whether the examples show it.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import {
  DEFAULT_RESAMPLES,
  replicate,
  type Replicates,
  type ResampleOptions,
  subtract,
} from "./bootstrap.ts";
import { pool, type PooledNumbers, type ScoredExample, totalsOf } from "./example_totals.ts";
import { FEWEST_EXAMPLES, type Interval, interval } from "./interval.ts";
import { type AnswerPairs, mcnemarExact, pairAnswers } from "./mcnemar.ts";

/** A difference A minus B with its interval. */
export interface Difference extends Interval {
  readonly estimate: number;
  /** True when there are enough examples and the interval lies on one side of 0. */
  readonly shown: boolean;
}

/** A paired comparison of two policies on one slice. */
export interface PairedComparison {
  readonly a: string;
  readonly b: string;
  /** Examples both policies were scored on. */
  readonly examples: number;
  readonly resamples: number;
  readonly seed: number;
  /** Of `quality_main`, in its points (0..100). */
  readonly quality_main: Difference;
  /** Of `task_score`, in its points (0..100). */
  readonly task_score: Difference;
  readonly answers: AnswerPairs;
  /** Exact McNemar p-value of the answers, 0..1, not corrected for the number of comparisons. */
  readonly mcnemar_p: number;
}

/** A policy's examples on one slice. */
export interface PolicyExamples {
  readonly policy: string;
  readonly examples: readonly ScoredExample[];
}

/**
 * Whether a difference can be claimed.
 *
 * @param replicates of the difference
 * @param examples how many examples each replicate drew
 */
export function difference(
  estimate: number,
  replicates: Float64Array,
  examples: number,
): Difference {
  const { low, high } = interval(replicates, examples);
  return { estimate, low, high, shown: examples >= FEWEST_EXAMPLES && (low > 0 || high < 0) };
}

/** The examples of two policies, matched by id, in the order of the first. */
export function matchExamples(
  a: PolicyExamples,
  b: PolicyExamples,
): { readonly a: readonly ScoredExample[]; readonly b: readonly ScoredExample[] } {
  const ofB = new Map(b.examples.map((example) => [example.id, example]));
  const common = a.examples.filter(({ id }) => ofB.has(id));
  if (common.length === 0) {
    throw new InternalError(
      `Policies "${a.policy}" and "${b.policy}" have no example in common; expected results of ` +
        `the same slice`,
    );
  }
  return { a: common, b: common.map(({ id }) => ofB.get(id)!) };
}

/** Whether an answer counts as exact: full score. */
export function isExact(example: ScoredExample): boolean {
  return example.score >= 1;
}

/**
 * Compares two policies on the examples they share. Resampling is by example, the pooled numbers
 * are worked out again for every resample, and both policies see the same draws.
 *
 * @throws {InternalError} when no example is common to both
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { comparePolicies } from "./compare.ts";
 *
 * const examples = Array.from({ length: 8 }, (_, i) => ({
 *   id: `example-${i}`,
 *   score: 1,
 *   steps: [{ token: 1, referenceToken: 1, kl: 0.01 * i, squaredError: 0 }],
 * }));
 * const same = comparePolicies(
 *   { policy: "a", examples },
 *   { policy: "b", examples },
 *   { seed: 1, resamples: 200 },
 * );
 * assertEquals(same.quality_main, { estimate: 0, low: 0, high: 0, shown: false });
 * assertEquals(same.mcnemar_p, 1);
 * ```
 */
export function comparePolicies(
  a: PolicyExamples,
  b: PolicyExamples,
  options: ResampleOptions,
): PairedComparison {
  const matched = matchExamples(a, b);
  return compareDraws(
    drawPolicy({ policy: a.policy, examples: matched.a }, options),
    drawPolicy({ policy: b.policy, examples: matched.b }, options),
  );
}

/** A policy's pooled numbers and their replicates, to compare with several others. */
export interface PolicyDraws extends PolicyExamples {
  readonly options: Required<ResampleOptions>;
  readonly point: PooledNumbers;
  readonly replicates: Replicates;
}

/** Whether two policies were scored on the same examples, in the same order. */
export function haveSameExamples(a: PolicyExamples, b: PolicyExamples): boolean {
  return a.examples.length === b.examples.length &&
    a.examples.every(({ id }, i) => b.examples[i]!.id === id);
}

/**
 * The draws of two policies on the examples they share: drawn anew where one has examples that the
 * other lacks.
 *
 * @throws {InternalError} when no example is common to both
 */
export function drawnAlike(a: PolicyDraws, b: PolicyDraws): [PolicyDraws, PolicyDraws] {
  if (haveSameExamples(a, b)) return [a, b];
  const matched = matchExamples(a, b);
  return [
    drawPolicy({ policy: a.policy, examples: matched.a }, a.options),
    drawPolicy({ policy: b.policy, examples: matched.b }, a.options),
  ];
}

/** Draws a policy's replicates. */
export function drawPolicy(given: PolicyExamples, options: ResampleOptions): PolicyDraws {
  const totals = given.examples.map(totalsOf);
  return {
    policy: given.policy,
    examples: given.examples,
    options: { resamples: DEFAULT_RESAMPLES, ...options },
    point: pool(totals),
    replicates: replicate(totals, options),
  };
}

/**
 * Compares two policies from replicates drawn before.
 *
 * @throws {InternalError} when the two were not drawn alike: same examples in the same order, same
 * options
 */
export function compareDraws(a: PolicyDraws, b: PolicyDraws): PairedComparison {
  const examples = a.examples.length;
  if (
    examples !== b.examples.length || a.options.seed !== b.options.seed ||
    a.options.resamples !== b.options.resamples ||
    a.examples.some(({ id }, i) => b.examples[i]!.id !== id)
  ) {
    throw new InternalError(
      `Policies "${a.policy}" and "${b.policy}" were drawn differently; expected the same ` +
        `examples in the same order, seed and number of resamples`,
    );
  }
  const field = (name: "quality_main" | "task_score") =>
    difference(
      a.point[name] - b.point[name],
      subtract(a.replicates[name], b.replicates[name]),
      examples,
    );
  const answers = pairAnswers(a.examples.map(isExact), b.examples.map(isExact));
  return {
    a: a.policy,
    b: b.policy,
    examples,
    ...a.options,
    quality_main: field("quality_main"),
    task_score: field("task_score"),
    answers,
    mcnemar_p: mcnemarExact(answers.onlyA, answers.onlyB),
  };
}
