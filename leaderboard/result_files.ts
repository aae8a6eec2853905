/**
 * The files of a leaderboard.
 *
 * @module
 */
import type { Board } from "./board.ts";
import type { Manifest } from "./manifest.ts";
import { metricsJson } from "./metrics_json.ts";
import { reportPage } from "./report/page.ts";
import { comparisonsCsv, metricsCsv } from "./result_tables.ts";

/** Contents of every result file, by name. */
export function resultFiles(board: Board, manifest: Manifest): Record<string, string> {
  const json = (value: unknown) => JSON.stringify(value, undefined, 2) + "\n";
  return {
    "metrics.json": json(metricsJson(board, manifest)),
    "metrics.csv": metricsCsv(board),
    "comparisons.csv": comparisonsCsv(board),
    "manifest.json": json(manifest),
    "report.html": reportPage(board, manifest),
  };
}
