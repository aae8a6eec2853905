/**
 * Every cell of a foreign leaderboard beside its rivals' cells, and whether its goal is reached.
 *
 * @module
 */
import { seedFor } from "../../quant/numerics/random.ts";
import { subtract } from "../../stats/bootstrap.ts";
import {
  compareDraws,
  difference,
  drawnAlike,
  drawPolicy,
  type PolicyDraws,
} from "../../stats/compare.ts";
import type { Cell } from "../cell.ts";
import type { ForeignCell } from "./foreign_fill.ts";
import { type Duel, goalOf } from "./goals.ts";

/**
 * Least score of the reference, 0..100, for a task score to say anything: every answer of the slices is
 * free text, so that chance is near 0, and a model that gets a third is well above it.
 */
export const LEAST_REFERENCE = 30;

/** One policy, learned from one kind of text, at one place. */
export interface Verdict {
  readonly model: string;
  /** Kind of text that was learned from. */
  readonly learned: string;
  /** What it was judged on. */
  readonly judged: string;
  readonly policy: string;
  readonly cell: Cell;
  readonly duels: readonly Duel[];
  /** What is missed, in a few words each; one that ends in a question mark is inside its interval. */
  readonly missed: readonly string[];
}

/** What comparisons are drawn with. */
export interface VerdictOptions {
  readonly policies: readonly string[];
  readonly baseline: string;
  readonly seed: number;
  readonly resamples: number;
}

/** Verdicts on every cell of the policies that are judged, whose rivals ran there. */
export function verdicts(cells: readonly ForeignCell[], options: VerdictOptions): Verdict[] {
  const { policies, baseline, seed, resamples } = options;
  const byPlace = Map.groupBy(
    cells,
    ({ cell }) => JSON.stringify([cell.key.model, cell.key.slice]),
  );
  return [...byPlace.values()].flatMap((here) => {
    const drawn = new Map<Cell, PolicyDraws>();
    const drawsOf = ({ key, examples }: Cell): PolicyDraws =>
      drawPolicy({ policy: key.policy, examples }, { seed: seedFor(seed, key.slice), resamples });
    const draws = (cell: Cell) => {
      if (!drawn.has(cell)) drawn.set(cell, drawsOf(cell));
      return drawn.get(cell)!;
    };
    return here.filter(({ cell }) => policies.includes(cell.key.policy))
      .map(({ cell, learned }): Verdict => {
        const goal = goalOf(cell.key.policy, baseline);
        const duels = goal.rivals.flatMap((rival) => {
          const other = here.find((own) =>
            own.cell.key.policy === rival && [undefined, learned].includes(own.learned)
          );
          return other === undefined ? [] : [duel(cell, other.cell, draws)];
        });
        const outcome = { quality: cell.numbers.quality_main, duels };
        return {
          model: cell.key.model,
          learned: learned ?? "nothing",
          judged: cell.key.slice,
          policy: cell.key.policy,
          cell,
          duels,
          missed: goal.missed(outcome),
        };
      });
  });
}

function duel(cell: Cell, other: Cell, draws: (cell: Cell) => PolicyDraws): Duel {
  // Both ran the same examples unless one could not.
  const [a, b] = drawnAlike(draws(cell), draws(other));
  const { quality_main: quality, task_score: task } = compareDraws(a, b);
  return {
    rival: other.key.policy,
    quality,
    ...(isTaskTold(cell) ? { task } : {}),
    agreement: difference(
      a.point.replay_agreement - b.point.replay_agreement,
      subtract(a.replicates.replay_agreement, b.replicates.replay_agreement),
      a.examples.length,
    ),
    memory: cell.numbers.peak_kv_memory_mb / other.numbers.peak_kv_memory_mb,
  };
}

/** Whether a place has answers, and the reference knows enough of them. */
function isTaskTold({ key, numbers }: Cell): boolean {
  return !key.slice.startsWith("text:") && numbers.task_score_ref >= LEAST_REFERENCE;
}
