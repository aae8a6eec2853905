/**
 * The leaderboard's CSV files: one row per cell, and one row per pair of policies.
 *
 * @module
 */
import { stringify } from "@std/csv/stringify";
import { interval } from "../stats/interval.ts";
import type { Board } from "./board.ts";
import { allPairs } from "./comparisons.ts";
import { frontAt } from "./standing.ts";

type Row = Record<string, string | number | boolean>;

/** `metrics.csv`: every number of every cell, with 95 % intervals of quality and score. */
export function metricsCsv(board: Board): string {
  const rows = board.cells.map((cell): Row => {
    const { replicates, examples } = board.draws(cell.key, cell.key.policy)!;
    const quality = interval(replicates.quality_main, examples.length);
    const task = interval(replicates.task_score, examples.length);
    return {
      model: cell.key.model,
      slice: cell.key.slice,
      policy: cell.key.policy,
      engine: cell.key.engine,
      ...cell.numbers,
      quality_main_low: quality.low,
      quality_main_high: quality.high,
      task_score_low: task.low,
      task_score_high: task.high,
      outside_budget: cell.outside_budget,
      claimed: cell.claimed,
      on_pareto_front: frontAt(board, cell.key).includes(cell.key.policy),
    };
  });
  return table(rows);
}

/** `comparisons.csv`: every pair of policies at every place, whether a difference is shown. */
export function comparisonsCsv(board: Board): string {
  return table(
    allPairs(board).map((c): Row => ({
      model: c.model,
      slice: c.slice,
      a: c.a,
      b: c.b,
      examples: c.examples,
      quality_main_difference: c.quality_main.estimate,
      quality_main_low: c.quality_main.low,
      quality_main_high: c.quality_main.high,
      quality_main_shown: c.quality_main.shown,
      task_score_difference: c.task_score.estimate,
      task_score_low: c.task_score.low,
      task_score_high: c.task_score.high,
      task_score_shown: c.task_score.shown,
      only_a_exact: c.answers.onlyA,
      only_b_exact: c.answers.onlyB,
      both_exact: c.answers.both,
      neither_exact: c.answers.neither,
      mcnemar_p: c.mcnemar_p,
      resamples: c.resamples,
      seed: c.seed,
    })),
  );
}

function table(rows: readonly Row[]): string {
  const first = rows[0];
  return first === undefined ? "" : stringify(rows, { columns: Object.keys(first) });
}
