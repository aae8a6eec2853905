/**
 * Recall by length and depth: the cells of a needle grid.
 *
 * @module
 */
import type { NamedOutcome } from "../evaluation/results.ts";

/** What was found in the prompts of one length and depth. */
export interface NeedleCell {
  /** Name of the length. */
  readonly length: string;
  /** Where the first needle lies, 0..1. */
  readonly depth: number;
  readonly examples: number;
  /** Mean recall under the policy, 0..100, and in full precision. */
  readonly recall: number;
  readonly recall_ref: number;
}

/** The cells of a grid, length by length, in the order they were asked; none for any other slice. */
export function needleCells(outcomes: readonly NamedOutcome[]): readonly NeedleCell[] {
  const placed = outcomes.filter(({ group, depth }) => group !== undefined && depth !== undefined);
  const cells = Map.groupBy(placed, ({ group, depth }) => `${group}\n${depth}`);
  return [...cells.values()].map((members) => {
    const { group, depth } = members[0]!;
    const mean = (score: (outcome: NamedOutcome) => number) =>
      100 * members.reduce((sum, outcome) => sum + score(outcome), 0) / members.length;
    return {
      length: group!,
      depth: depth!,
      examples: members.length,
      recall: mean(({ score }) => score),
      recall_ref: mean(({ referenceScore }) => referenceScore),
    };
  });
}

/** A grid as rows of depths and columns of lengths. */
export interface NeedleMap {
  readonly lengths: readonly string[];
  /** From the start of the haystack. */
  readonly rows: readonly {
    readonly depth: number;
    /** One cell for each length; undefined where nothing was asked. */
    readonly cells: readonly (NeedleCell | undefined)[];
  }[];
}

/** The cells of a grid by depth; undefined where there are none. */
export function needleMap(cells: readonly NeedleCell[]): NeedleMap | undefined {
  if (cells.length === 0) return undefined;
  const lengths = [...new Set(cells.map(({ length }) => length))];
  const depths = [...new Set(cells.map(({ depth }) => depth))].sort((a, b) => a - b);
  return {
    lengths,
    rows: depths.map((depth) => ({
      depth,
      cells: lengths.map((length) =>
        cells.find((cell) => cell.length === length && cell.depth === depth)
      ),
    })),
  };
}

/** A depth in per cent, for people. */
export function depthName(depth: number): string {
  return `${Math.round(1e4 * depth) / 100} %`;
}
