/**
 * Results as a table for people.
 *
 * @module
 */
import type { SliceNumbers } from "../replay/metric.ts";
import type { SliceResult } from "../evaluation/results.ts";
import { plainDecimal } from "./metric_fields.ts";
import { groupScores, type MeanScore } from "./task_scores.ts";

interface Column {
  readonly title: string;
  readonly field: keyof SliceNumbers;
  readonly decimals: number;
}

const COLUMNS = [
  { title: "quality", field: "quality_main", decimals: 2 },
  { title: "vs ref", field: "quality_delta_vs_ref", decimals: 2 },
  { title: "task", field: "task_score", decimals: 1 },
  { title: "task ref", field: "task_score_ref", decimals: 1 },
  { title: "same token", field: "greedy_match_ratio", decimals: 4 },
  { title: "cache error", field: "cache_error", decimals: 4 },
  { title: "bits", field: "avg_bits_per_kv_token", decimals: 3 },
  { title: "peak MiB", field: "peak_kv_memory_mb", decimals: 3 },
  { title: "const MiB", field: "constants_mb", decimals: 3 },
  { title: "ratio", field: "kv_compression_ratio", decimals: 2 },
  { title: "tokens/s", field: "decode_tokens_per_s", decimals: 1 },
] as const satisfies readonly Column[];

/**
 * Rows of cells, aligned: the first column to the left, the others to the right.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alignedRows } from "./table.ts";
 *
 * assertEquals(alignedRows([["policy", "bits"], ["kivi", "3.65"]]), [
 *   "policy  bits",
 *   "kivi    3.65",
 * ]);
 * ```
 */
export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from(
    { length: columns },
    (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .join("  ").trimEnd()
  );
}

/** Behind the name of a policy that is outside the budget. */
const OUTSIDE_MARK = "*";
/** Behind the name of a quantizer that stores nothing. */
export const CLAIMED_MARK = "(claimed)";

/** Task scores of groups of examples, one row per policy; none where there are no groups. */
function groupRows({ results }: SliceResult): string[] {
  const groups = groupScores(results[0]?.outcomes ?? []);
  if (groups.length === 0) return [];
  const shown = ({ score }: MeanScore) => plainDecimal(score, 1);
  return alignedRows([
    ["task score of", ...groups.map(({ name, examples }) => `${name} (${examples})`)],
    ...results.map(({ policy, outcomes }) => [policy, ...groupScores(outcomes).map(shown)]),
    ["reference", ...groups.map(({ reference }) => plainDecimal(reference, 1))],
  ]);
}

/** The results of one slice, one row per policy, in the order of the run. */
export function sliceTable(result: SliceResult): string {
  const counts = result.results[0]?.numbers;
  const title = counts === undefined
    ? result.slice
    : `${result.slice}: ${counts.examples} examples, ${counts.steps} steps` +
      (counts.examples_left_out > 0 ? `, ${counts.examples_left_out} examples left out` : "") +
      (result.partial ? " (partial: the run ended early)" : "");
  const rows = [
    ["policy", ...COLUMNS.map((column) => column.title)],
    ...result.results.map(({ policy, numbers, outsideBudget, claimed }) => [
      policy + (outsideBudget ? ` ${OUTSIDE_MARK}` : "") + (claimed ? ` ${CLAIMED_MARK}` : ""),
      ...COLUMNS.map(({ field, decimals }) => plainDecimal(numbers[field], decimals)),
    ]),
  ];
  // Numbers that look perfect, and say nothing of the policy.
  const notes = result.results
    .filter(({ numbers }) => numbers.code_bits === 0 && numbers.cache_error === 0)
    .map(({ policy }) => `${policy}: nothing was quantized`);
  if (result.results.some(({ outsideBudget }) => outsideBudget)) {
    notes.push(`${OUTSIDE_MARK} outside the budget, as an engine's setting is`);
  }
  if (result.results.some(({ claimed }) => claimed)) {
    notes.push(`${CLAIMED_MARK} bits and memory are claimed, not stored`);
  }
  const others = result.notApplicable.map(({ reason }) => reason);
  return [title, ...alignedRows(rows), ...notes, ...others, ...groupRows(result)].join("\n");
}
