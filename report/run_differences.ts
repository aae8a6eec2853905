/**
 * Where two runs differ: in what was run, in the numbers of each policy, and in the replies.
 *
 * @module
 */
import { comparePolicies, type PairedComparison } from "../stats/compare.ts";
import type { SavedExample, SavedRun } from "./saved_run.ts";

/** An example that two policies did not answer alike. */
export interface ExampleDifference {
  readonly id: string;
  /** The first step at which the replayed tokens are not the same; undefined where all are. */
  readonly firstStep?: number;
  readonly a: SavedExample;
  readonly b: SavedExample;
}

/** One policy on one slice in both runs. */
export interface PolicyDifference {
  readonly slice: string;
  readonly comparison: PairedComparison;
  /** Examples that only one of the runs has. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  /** Examples of both, in the order of the first run, whose tokens, replies or scores differ. */
  readonly examples: readonly ExampleDifference[];
}

/** Two runs beside each other. */
export interface RunDifferences {
  /** What was run otherwise: the name of the file's field, and its two values. */
  readonly described: readonly {
    readonly name: string;
    readonly a: unknown;
    readonly b: unknown;
  }[];
  readonly policies: readonly PolicyDifference[];
}

/** Which policies of the two runs belong together. */
export interface PolicyPairs {
  /** Policies of the first run; absent for all that both have. */
  readonly policies?: readonly string[];
  /** The policy of the second run that each is compared with; absent for the one of its name. */
  readonly with?: string;
}

/** How often intervals are drawn, and from where. */
const SEED = 0;

/** Compares two runs. Policies that have no slice or no example in common are left out. */
export function runDifferences(a: SavedRun, b: SavedRun, pairs: PolicyPairs = {}): RunDifferences {
  const names = new Set([...Object.keys(a.described), ...Object.keys(b.described)]);
  return {
    described: [...names]
      .map((name) => ({ name, a: a.described[name], b: b.described[name] }))
      .filter(({ a, b }) => JSON.stringify(a) !== JSON.stringify(b)),
    policies: a.slices.flatMap((slice) => {
      const other = b.slices.find((candidate) => candidate.slice === slice.slice);
      return slice.policies
        .filter(({ policy }) => pairs.policies?.includes(policy) ?? true)
        .flatMap((first) => {
          const second = other?.policies.find(({ policy }) =>
            policy === (pairs.with ?? first.policy)
          );
          if (second === undefined) return [];
          const ofB = new Map(second.examples.map((example) => [example.id, example]));
          const common = first.examples.filter(({ id }) => ofB.has(id));
          if (common.length === 0) return [];
          const ids = new Set(first.examples.map(({ id }) => id));
          return [{
            slice: slice.slice,
            comparison: comparePolicies(first, second, { seed: SEED }),
            onlyA: first.examples.filter(({ id }) => !ofB.has(id)).map(({ id }) => id),
            onlyB: second.examples.filter(({ id }) => !ids.has(id)).map(({ id }) => id),
            examples: common.flatMap((example) =>
              exampleDifference(example, ofB.get(example.id)!) ?? []
            ),
          }];
        });
    }),
  };
}

function exampleDifference(a: SavedExample, b: SavedExample): ExampleDifference | undefined {
  const length = Math.max(a.steps.length, b.steps.length);
  const firstStep = Array.from({ length }, (_, i) => i).find((i) =>
    a.steps[i]?.token !== b.steps[i]?.token
  );
  const alike = firstStep === undefined && a.reply === b.reply && a.score === b.score &&
    (a.generated === undefined || b.generated === undefined || a.generated === b.generated);
  if (alike) return undefined;
  return { id: a.id, ...(firstStep === undefined ? {} : { firstStep }), a, b };
}
