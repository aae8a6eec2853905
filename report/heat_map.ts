/**
 * Needle grids on the terminal: a heat map of shades for each policy.
 *
 * @module
 */
import type { NamedOutcome, SliceResult } from "../evaluation/results.ts";
import { plainDecimal } from "./metric_fields.ts";
import { depthName, type NeedleCell, needleCells, needleMap } from "./needle_cells.ts";
import { alignedRows } from "./table.ts";

/** From nothing found to all of it. */
const SHADES = [" ", "░", "▒", "▓", "█"];

/**
 * The shade of a recall, 0..100: blank for nothing alone, and full for everything alone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shadeOf } from "./heat_map.ts";
 *
 * assertEquals([0, 25, 50, 99, 100].map(shadeOf).join(""), " ░▒▓█");
 * ```
 */
export function shadeOf(recall: number): string {
  const inner = SHADES.length - 2;
  if (recall <= 0) return SHADES[0]!;
  if (recall >= 100) return SHADES.at(-1)!;
  return SHADES[1 + Math.min(inner - 1, Math.floor(recall / 100 * inner))]!;
}

/** The heat maps of a slice, one for full precision and one for each policy; none of any other slice. */
export function heatMaps({ slice, results }: SliceResult): string[] {
  const [first] = results;
  if (first === undefined || needleCells(first.outcomes).length === 0) return [];
  const quantized = results.filter(({ outcomes }) => !isExact(outcomes));
  return [
    heatMap(`${slice}: recall in full precision`, first.outcomes, ({ recall_ref }) => recall_ref),
    ...quantized.map(({ policy, outcomes }) =>
      heatMap(`${slice}: recall under ${policy}`, outcomes, ({ recall }) => recall)
    ),
  ];
}

/** Whether a policy left every entry as it was. */
export function isExact(outcomes: readonly NamedOutcome[]): boolean {
  return outcomes.every(({ steps }) => steps.every(({ squaredError }) => squaredError === 0));
}

function heatMap(
  title: string,
  outcomes: readonly NamedOutcome[],
  recallOf: (cell: NeedleCell) => number,
): string {
  const { lengths, rows } = needleMap(needleCells(outcomes))!;
  const shown = (cell: NeedleCell | undefined) => {
    if (cell === undefined) return "";
    const recall = recallOf(cell);
    return `${shadeOf(recall).repeat(2)} ${plainDecimal(recall, 0).padStart(3)}`;
  };
  return [
    title,
    ...alignedRows([
      ["depth", ...lengths],
      ...rows.map(({ depth, cells }) => [depthName(depth), ...cells.map(shown)]),
    ]),
  ].join("\n");
}
