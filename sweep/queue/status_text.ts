/**
 * How far a queue is, for a terminal.
 *
 * @module
 */
import { cellText } from "../definition.ts";
import type { QueueStatus } from "./cell_queue.ts";

/** One line of numbers. */
export function progressText({ results, waiting, running, parked }: QueueStatus): string {
  const of = (kind: string) => results.filter(({ recorded }) => recorded.kind === kind).length;
  return `${of("finished")} finished, ${of("failed")} failed, ${
    of("not applicable")
  } not applicable, ${running.length} running, ${waiting.length} waiting, ${parked.length} parked`;
}

/** A line of numbers, a line a worker, and a line for each cell that needs somebody to look at it. */
export function statusText(status: QueueStatus): string {
  const { results, running, parked } = status;
  const failed = results.filter(({ recorded }) => recorded.kind === "failed");
  const workers = Map.groupBy(results, ({ worker }) => worker);
  return [
    progressText(status),
    ...[...workers].map(([worker, own]) => `Worker ${worker}: ${own.length} cells`),
    ...running.map((cell) => `Running: ${cellText(cell)}`),
    ...failed.map(({ recorded }) =>
      `Failed: ${cellText(recorded.cell)}: ${"reason" in recorded ? recorded.reason : ""}`
    ),
    ...parked.map(({ cell, reason }) => `Parked: ${cellText(cell)}: ${reason}`),
  ].join("\n");
}
