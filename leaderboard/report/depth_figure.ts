/**
 * Needle recall by the depth of the needle, one chart per model and slice that records depths.
 *
 * @module
 */
import type { CellExample } from "../cell.ts";
import type { Board, Place } from "../board.ts";
import type { Standing } from "../standing.ts";
import { chart, label, textWidth } from "./chart.ts";
import { element, type Markup } from "../../report/markup.ts";
import { fixed } from "./numbers.ts";

const CELL = { width: 66, height: 19 };
const TOP = 78;
const BINS = 5;

/** Examples of one column. */
interface Column {
  readonly name: string;
  readonly holds: (example: CellExample) => boolean;
}

const COLUMNS: readonly Column[] = [
  ...Array.from({ length: BINS }, (_, b) => ({
    name: `${100 * b / BINS}–${100 * (b + 1) / BINS}`,
    holds: ({ depth }: CellExample) =>
      depth !== undefined && Math.min(BINS - 1, Math.floor(depth * BINS)) === b,
  })),
  { name: "no depth", holds: ({ depth }) => depth === undefined },
];

/** One chart per place whose examples have depths; rows follow the ranking. */
export function depthCharts(board: Board, standings: readonly Standing[]): Markup[] {
  const places = board.places.filter((place) =>
    board.cellsAt(place).some((c) => c.examples.some((e) => e.depth !== undefined))
  );
  return places.map((place, i) => depthChart(board, place, standings, `chart-depth-${i + 1}`));
}

function depthChart(
  board: Board,
  place: Place,
  standings: readonly Standing[],
  id: string,
): Markup {
  const rows = standings.flatMap(({ policy }) => board.cell(place, policy) ?? []);
  const columns = COLUMNS.filter((column) => rows.some((c) => c.examples.some(column.holds)));
  const left = Math.max(...rows.map((c) => textWidth(c.key.policy, 12))) + 12;
  const bottom = TOP + rows.length * CELL.height;
  const counts = columns.map((column) => rows[0]!.examples.filter(column.holds).length);
  const center = (c: number) => left + (c + 0.5) * CELL.width + (isDepth(columns[c]!) ? 0 : 10);
  return chart(
    {
      id,
      title: `Needle recall by depth: ${place.slice} on ${place.model}`,
      description:
        `Mean score in per cent of ${rows.length} policies by where the needle lies in ` +
        `the context (${
          columns.map((c, i) => `${columnName(c)}: ${counts[i]} examples`).join("; ")
        }).`,
      width: left + columns.length * CELL.width + 24,
      height: bottom + 34,
    },
    label(0, 17, `${place.slice} · ${place.model} · recall in %`, { class: "chart-title" }),
    columns.map((column, c) => [
      label(center(c), TOP - 24, column.name, { anchor: "middle", class: "panel-title" }),
      label(center(c), TOP - 9, `n = ${counts[c]}`, { anchor: "middle", class: "tick" }),
    ]),
    rows.map((cell, r) => [
      label(left - 8, TOP + r * CELL.height + 14, cell.key.policy, {
        anchor: "end",
        class: "row-name",
      }),
      columns.map((column, c) =>
        recall(
          cell.examples.filter(column.holds),
          center(c) - CELL.width / 2,
          TOP + r * CELL.height,
          `${cell.key.policy}, ${columnName(column)}`,
        )
      ),
    ]),
    label(
      left + columns.filter(isDepth).length * CELL.width / 2,
      bottom + 22,
      "depth of the needle in the context (%; 0: start, 100: end)",
      { anchor: "middle", class: "axis-title" },
    ),
  );
}

const isDepth = (column: Column) => column !== COLUMNS.at(-1);

/** A column's name in a sentence. */
function columnName(column: Column): string {
  return isDepth(column) ? `depth ${column.name} %` : column.name;
}

function recall(examples: readonly CellExample[], x: number, y: number, what: string): Markup {
  if (examples.length === 0) {
    return label(x + CELL.width / 2, y + 14, "–", { anchor: "middle", class: "tick" });
  }
  const share = examples.reduce((sum, e) => sum + e.score, 0) / examples.length;
  const level = Math.round(8 * share);
  return element(
    "g",
    {},
    element("title", {}, `${what}: ${fixed(100 * share, 1)} % of ${examples.length} examples`),
    element("rect", { x, y, ...CELL, class: `heat level-${level}` }),
    label(x + CELL.width / 2, y + 14, fixed(100 * share, 0), {
      anchor: "middle",
      class: `on-${level}`,
    }),
  );
}
