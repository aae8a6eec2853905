/**
 * The leaderboard as text for a terminal or a log.
 *
 * @module
 */
import { comparisonFoot, comparisonRows, formatDifference } from "../stats/comparison_table.ts";
import type { Board } from "./board.ts";
import { againstBaseline } from "./comparisons.ts";
import { rank, type Standing } from "./standing.ts";

/** The ranking, and under it every policy against the baseline at every place. */
export function boardText(board: Board): string {
  const standings = rank(board);
  const order = standings.map((s) => s.policy);
  const tables = board.places.map((place) => ({
    title: `${place.slice} on ${place.model}`,
    comparisons: againstBaseline(board, place, order),
  })).filter(({ comparisons }) => comparisons.length > 0);
  return [
    rankingText(board, standings),
    ...tables.map(({ title, comparisons }) => comparisonRows(title, comparisons)),
    ...(tables.length === 0 ? [] : [comparisonFoot(tables[0]!.comparisons)]),
  ].join("\n\n");
}

/** The ranking, columns aligned. */
function rankingText(board: Board, standings: readonly Standing[]): string {
  const header = [
    "#",
    "policy",
    "quality_main",
    "95 % interval",
    "worst",
    "task_score",
    "bits/element",
    "memory %",
    "on front",
    `quality_main - ${board.baseline}`,
  ];
  const rows = standings.map((s) => [
    s.rank === null ? "-" : String(s.rank),
    s.cells === s.of ? s.policy : `${s.policy} (${s.cells} of ${s.of} cells)`,
    s.quality.toFixed(2),
    `[${s.qualityInterval.low.toFixed(2)}, ${s.qualityInterval.high.toFixed(2)}]`,
    s.worst.quality.toFixed(2),
    s.task.toFixed(1),
    s.bits.toFixed(3),
    (100 * s.memoryShare).toFixed(1),
    `${s.onFront}/${s.of}`,
    s.versusBaseline === undefined ? "" : formatDifference(s.versusBaseline),
  ]);
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((r) => r[i]!.length)));
  const left = new Set([1, header.length - 1]);
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => left.has(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .join("  ").trimEnd();
  const places = board.places.length;
  return [
    `Ranking: means over ${places} ${places === 1 ? "place" : "places"} (${
      board.models.join(", ")
    } × ${board.slices.join(", ")})`,
    line(header),
    widths.map((w) => "-".repeat(w)).join("  "),
    ...rows.map(line),
  ].join("\n");
}
