/**
 * The leaderboard as text for a terminal or a log.
 *
 * @module
 */
import { comparisonFoot, comparisonRows, formatDifference } from "../stats/comparison_table.ts";
import type { Board, RefusedExample } from "./board.ts";
import { againstBaseline } from "./comparisons.ts";
import { CLAIMED_MARK } from "../report/table.ts";
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
    ...noteTexts(board),
    ...tables.map(({ title, comparisons }) => comparisonRows(title, comparisons)),
    ...(tables.length === 0 ? [] : [comparisonFoot(tables[0]!.comparisons)]),
  ].join("\n\n");
}

/** What the means leave out: places of different examples, examples, policies. */
function noteTexts(board: Board): string[] {
  const uneven = unevenSentence(board);
  const refused = Map.groupBy(board.refused, placeOf);
  const misfits = board.misfits.map(({ model, policy, reason }) =>
    `  ${policy} on ${model}: ${reason}`
  );
  return [
    ...(uneven === undefined ? [] : [`${UNEVEN} ${uneven}`]),
    ...[...refused].map(([place, examples]) =>
      [`Left out: ${place}`, ...examples.map(({ reason }) => `  ${reason}`)].join("\n")
    ),
    ...(misfits.length === 0 ? [] : [["Not applicable", ...misfits].join("\n")]),
  ];
}

function placeOf({ slice, model }: RefusedExample): string {
  return `${slice} on ${model}`;
}

/** What stands beside a mean over places that ran different examples. */
export const UNEVEN = "†";

/** Says what the mark means; undefined where every model ran the same examples. */
export function unevenSentence({ unevenSlices }: Board): string | undefined {
  if (unevenSlices.length === 0) return undefined;
  const counts = unevenSlices.map(({ slice, ran }) =>
    `${slice} has ${[...ran].map(([model, count]) => `${count} on ${model}`).join(", ")}`
  );
  return `means over different sets of examples: ${counts.join("; ")}`;
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
    s.policy + (s.outsideBudget ? " (outside the budget)" : "") +
    (s.claimed ? ` ${CLAIMED_MARK}` : "") +
    (s.cells === s.of ? "" : ` (${s.cells} of ${s.of} cells)`) +
    (s.uneven ? ` ${UNEVEN}` : ""),
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
