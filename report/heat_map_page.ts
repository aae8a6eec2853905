/**
 * Needle grids as a page: one HTML file that needs nothing else.
 *
 * @module
 */
import type { SliceResult } from "../evaluation/results.ts";
import { isExact } from "./heat_map.ts";
import { type Child, element, type Markup } from "./markup.ts";
import { htmlPage } from "./html_page.ts";
import { plainDecimal } from "./metric_fields.ts";
import {
  depthName,
  type NeedleCell,
  needleCells,
  type NeedleMap,
  needleMap,
} from "./needle_cells.ts";
import { STYLE } from "./style.ts";

/** Steps of colour of the style sheet. */
const LEVELS = 9;

/** Colours of table cells; those of the style sheet are of figures. */
const CELL_STYLE = Array.from(
  { length: LEVELS },
  (_, i) => `td.level-${i}{background:var(--level-${i});color:var(--on-${i})}`,
).join("\n");

/** The page of the grids among some slices; undefined where there are none. */
export function heatMapPage(model: string, results: readonly SliceResult[]): string | undefined {
  const sections = results.flatMap((result) => gridSection(result) ?? []);
  if (sections.length === 0) return undefined;
  const title = `Needles in a haystack: ${model}`;
  return htmlPage(
    title,
    `${STYLE}\n${CELL_STYLE}\n`,
    element(
      "header",
      {},
      element("h1", {}, title),
      element(
        "p",
        { class: "lead" },
        "Share of what was hidden that a reply says, in per cent, by length of the prompt in tokens " +
          "and by where the first needle lies in it.",
      ),
    ),
    element("main", {}, sections),
  );
}

function gridSection({ slice, results, partial }: SliceResult): Markup | undefined {
  const [first] = results;
  const map = needleMap(needleCells(first?.outcomes ?? []));
  if (map === undefined) return undefined;
  const tables = [
    gridTable("Full precision", map, ({ recall_ref }) => recall_ref),
    ...results.filter(({ outcomes }) => !isExact(outcomes)).map(({ policy, outcomes }) =>
      gridTable(policy, needleMap(needleCells(outcomes))!, ({ recall }) => recall)
    ),
  ];
  return element(
    "section",
    {},
    element("h2", {}, partial ? `${slice} (partial: the run ended early)` : slice),
    element("div", { class: "charts" }, tables),
  );
}

function gridTable(
  title: string,
  { lengths, rows }: NeedleMap,
  recallOf: (cell: NeedleCell) => number,
): Markup {
  const cellOf = (cell: NeedleCell | undefined): Child => {
    if (cell === undefined) return element("td", {});
    const recall = recallOf(cell);
    const level = Math.min(LEVELS - 1, Math.floor(recall / 100 * LEVELS));
    const told = `${cell.length}, depth ${depthName(cell.depth)}: ${plainDecimal(recall, 1)} of ` +
      `${cell.examples} ${cell.examples === 1 ? "prompt" : "prompts"}`;
    return element("td", { class: `level-${level}`, title: told }, plainDecimal(recall, 0));
  };
  return element(
    "table",
    {},
    element("caption", {}, title),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ["depth", ...lengths].map((name) => element("th", { scope: "col" }, name)),
      ),
    ),
    element(
      "tbody",
      {},
      rows.map(({ depth, cells }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, depthName(depth)),
          cells.map(cellOf),
        )
      ),
    ),
  );
}
