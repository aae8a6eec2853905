/**
 * Task scores beside the first one: other metrics of the same replies, and groups of examples.
 *
 * @module
 */
import type { NamedOutcome } from "../evaluation/results.ts";

/** A mean score, 0..100. */
export interface MeanScore {
  readonly name: string;
  readonly examples: number;
  /** Of the replayed answers. */
  readonly score: number;
  /** Of the reference's answers. */
  readonly reference: number;
}

/** The means of every other metric that the examples have. */
export function otherScores(outcomes: readonly NamedOutcome[]): readonly MeanScore[] {
  const names = new Set(outcomes.flatMap(({ scores = {} }) => Object.keys(scores)));
  return [...names].map((name) =>
    meanOf(
      name,
      outcomes.filter(({ scores = {} }) => Object.hasOwn(scores, name)),
      ({ scores, referenceScores }) => [scores![name]!, referenceScores![name]!],
    )
  );
}

/** The examples of every group, in the order that groups are met. */
export function exampleGroups(
  outcomes: readonly NamedOutcome[],
): ReadonlyMap<string, readonly NamedOutcome[]> {
  return Map.groupBy(
    outcomes.filter(({ group }) => group !== undefined),
    ({ group }) => group!,
  );
}

/** The means of every group of examples, in the same order. */
export function groupScores(outcomes: readonly NamedOutcome[]): readonly MeanScore[] {
  return [...exampleGroups(outcomes)].map(([name, members]) =>
    meanOf(name, members, ({ score, referenceScore }) => [score, referenceScore])
  );
}

function meanOf(
  name: string,
  outcomes: readonly NamedOutcome[],
  scoresOf: (outcome: NamedOutcome) => readonly [score: number, reference: number],
): MeanScore {
  const mean = (of: 0 | 1) =>
    100 * outcomes.reduce((sum, outcome) => sum + scoresOf(outcome)[of], 0) / outcomes.length;
  return { name, examples: outcomes.length, score: mean(0), reference: mean(1) };
}
