/**
 * Writes the files of a leaderboard.
 *
 * @module
 */
import type { Board } from "./board.ts";
import type { Manifest } from "./manifest.ts";
import { metricsJson } from "./metrics_json.ts";
import { reportPage } from "./report/page.ts";
import { comparisonsCsv, metricsCsv } from "./result_tables.ts";
import { writeWholeFile } from "./whole_file.ts";

/** Names of the files, in the order they are written. */
export const RESULT_FILES = [
  "metrics.json",
  "metrics.csv",
  "comparisons.csv",
  "manifest.json",
  "report.html",
] as const;

/**
 * Writes every result file into a folder, each whole or not at all. All are made before the first
 * is written, so that a failure leaves the files of an earlier run as they were.
 *
 * @returns paths of the files
 */
export async function writeResults(
  folder: string,
  board: Board,
  manifest: Manifest,
): Promise<string[]> {
  const json = (value: unknown) => JSON.stringify(value, undefined, 2) + "\n";
  const contents: Record<typeof RESULT_FILES[number], string> = {
    "metrics.json": json(metricsJson(board, manifest)),
    "metrics.csv": metricsCsv(board),
    "comparisons.csv": comparisonsCsv(board),
    "manifest.json": json(manifest),
    "report.html": reportPage(board, manifest),
  };
  const paths = RESULT_FILES.map((name) => `${folder}/${name}`);
  for (const [i, name] of RESULT_FILES.entries()) await writeWholeFile(paths[i]!, contents[name]);
  return paths;
}
