/**
 * The files of a foreign leaderboard.
 *
 * @module
 */
import { stringify } from "@std/csv/stringify";
import { cellsText, type ForeignBoard, summaryText } from "./foreign_text.ts";
import type { Verdict } from "./verdicts.ts";

/** Contents of every result file, by name. */
export function foreignFiles(board: ForeignBoard): Record<string, string> {
  return {
    "foreign.md": `${summaryText(board)}\n\n${cellsText(board)}\n`,
    "foreign.csv": foreignCsv(board.verdicts),
  };
}

/** A row for every policy and rival at every place. */
function foreignCsv(verdicts: readonly Verdict[]): string {
  const rows = verdicts.flatMap((verdict) => {
    const { model, learned, judged, policy, cell: { numbers, key, calibration }, missed } = verdict;
    return verdict.duels.map(({ rival, quality, agreement, task, memory }) => ({
      model,
      learned_from: learned,
      judged_on: judged,
      policy,
      rival,
      engine: key.engine,
      calibration_tokens: calibration[0]?.tokens ?? 0,
      ...numbers,
      quality_main_difference: quality.estimate,
      quality_main_low: quality.low,
      quality_main_high: quality.high,
      replay_agreement_difference: agreement.estimate,
      replay_agreement_low: agreement.low,
      replay_agreement_high: agreement.high,
      task_score_difference: task?.estimate ?? "",
      task_score_low: task?.low ?? "",
      task_score_high: task?.high ?? "",
      memory_share: memory,
      missed: missed.join(" "),
    }));
  });
  return rows.length === 0 ? "" : stringify(rows, { columns: Object.keys(rows[0]!) });
}
