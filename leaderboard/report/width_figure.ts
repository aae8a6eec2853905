/**
 * Code widths by layer and KV head as heat maps, one chart per model, one panel per policy and
 * distinct plan.
 *
 * @module
 */
import type { Cell } from "../cell.ts";
import type { Board } from "../board.ts";
import type { Standing } from "../standing.ts";
import { chart, label, textWidth } from "./chart.ts";
import { element, type Markup } from "../../report/markup.ts";
import { fixed } from "./numbers.ts";

const WIDTH = 1240;
const PANEL_GAP = 26;
const ROW_GAP = 22;
const TOP = 74;
const KINDS = ["keys", "values"] as const;

type Widths = Cell["widths"];

interface Panel {
  readonly policy: string;
  /** Slices that share this plan; undefined when all of them do. */
  readonly slices: readonly string[] | undefined;
  readonly widths: Widths;
}

/** One chart per model; panels follow the ranking. */
export function widthCharts(board: Board, standings: readonly Standing[]): Markup[] {
  return board.models.flatMap((model, i) => {
    const panels = standings.flatMap(({ policy }) => panelsOf(board, model, policy));
    return panels.length === 0 ? [] : [widthChart(`chart-widths-${i + 1}`, model, panels)];
  });
}

function panelsOf(board: Board, model: string, policy: string): Panel[] {
  const groups = new Map<string, { slices: string[]; widths: Widths }>();
  let finished = 0;
  for (const slice of board.slices) {
    const cell = board.cell({ model, slice }, policy);
    if (cell === undefined || cell.widths.length === 0) continue;
    finished++;
    const key = JSON.stringify(cell.widths);
    const group = groups.get(key) ?? { slices: [], widths: cell.widths };
    group.slices.push(slice);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ slices, widths }) => ({
    policy,
    slices: slices.length === finished ? undefined : slices,
    widths,
  }));
}

/** Colour step, 0 to 8, of a width of 1 to 16 bits: even steps of its logarithm. */
export function widthLevel(bits: number): number {
  return Math.round(Math.min(8, Math.max(0, 2 * Math.log2(bits))));
}

function widthChart(id: string, model: string, panels: readonly Panel[]): Markup {
  const layers = panels[0]!.widths.length;
  const heads = panels[0]!.widths[0]![0]!.length;
  const cell = {
    width: Math.max(7, Math.min(26, 120 / heads)),
    height: Math.max(5, Math.min(15, 240 / layers)),
  };
  const numbered = cell.width >= 14 && cell.height >= 12;
  const block = heads * cell.width;
  const content = 2 * block + 8;
  const names = panels.map((p) => Math.max(textWidth(p.policy, 12), textWidth(caption(p), 10)));
  const width = Math.max(content, ...names) + 22;
  const columns = Math.max(1, Math.floor((WIDTH + PANEL_GAP) / (width + PANEL_GAP)));
  const height = 44 + layers * cell.height + 34;
  const rows = Math.ceil(panels.length / columns);
  const used = [...new Set(panels.flatMap((p) => p.widths.flat(2)))].sort((a, b) => a - b);
  return chart(
    {
      id,
      title: `Code widths by layer and head on ${model}`,
      description: `Width in bits of the codes of every layer (rows, layer 0 on top) and KV head ` +
        `(columns), keys left and values right, for ${panels.length} plans. Widths that occur: ${
          used.map((w) => `${widthText(w)} bits`).join(", ")
        }; 16 is exact.`,
      width: WIDTH,
      height: TOP + rows * (height + ROW_GAP),
    },
    label(0, 17, `${model} · code widths in bits`, { class: "chart-title" }),
    legend(used),
    panels.map((panel, i) => {
      const left = (i % columns) * (width + PANEL_GAP) + 22;
      const top = TOP + Math.floor(i / columns) * (height + ROW_GAP);
      return [
        label(left, top, panel.policy, { class: "panel-title" }),
        label(left, top + 14, caption(panel), { class: "tick" }),
        KINDS.map((kind, k) => {
          const x = left + k * (block + 8);
          return [
            label(x + block / 2, top + 30, kind, { anchor: "middle", class: "tick" }),
            panel.widths.map((layer, l) =>
              layer[k]!.map((bits, head) =>
                heat(
                  bits,
                  { x: x + head * cell.width, y: top + 35 + l * cell.height, ...cell },
                  numbered,
                  `${panel.policy}, layer ${l}, ${kind}, head ${head}: ${widthText(bits)} bits`,
                )
              )
            ),
            [...new Set([0, heads - 1])].map((head) =>
              label(
                x + (head + 0.5) * cell.width,
                top + 35 + layers * cell.height + 12,
                heads === 1 ? "head 0" : String(head),
                { anchor: "middle", class: "tick" },
              )
            ),
          ];
        }),
        [...new Set([0, layers - 1])].map((l) =>
          label(left - 5, top + 35 + (l + 0.5) * cell.height + 4, String(l), {
            anchor: "end",
            class: "tick",
          })
        ),
        label(left - 9, top + 35 + layers * cell.height / 2, "layer", {
          anchor: "middle",
          class: "tick",
          turned: true,
        }),
        label(left + content / 2, top + 35 + layers * cell.height + 26, "KV head", {
          anchor: "middle",
          class: "tick",
        }),
      ];
    }),
  );
}

function caption(panel: Panel): string {
  return panel.slices === undefined ? "every slice" : panel.slices.join(", ");
}

function widthText(bits: number): string {
  return Number.isInteger(bits) ? String(bits) : fixed(bits, 1);
}

function heat(
  bits: number,
  box: { x: number; y: number; width: number; height: number },
  numbered: boolean,
  what: string,
): Markup {
  const level = widthLevel(bits);
  return element(
    "g",
    {},
    element("title", {}, what),
    element("rect", { ...box, class: `heat level-${level}` }),
    numbered &&
      label(box.x + box.width / 2, box.y + box.height / 2 + 3.5, widthText(bits), {
        anchor: "middle",
        class: `on-${level}`,
      }),
  );
}

function legend(used: readonly number[]): (Markup | Markup[])[] {
  return [
    label(0, 43, "bits of a code:", { class: "tick" }),
    ...used.map((bits, i) => {
      const x = 84 + i * 34;
      const level = widthLevel(bits);
      return [
        element("rect", { x, y: 30, width: 30, height: 18, class: `heat level-${level}` }),
        label(x + 15, 43, widthText(bits), { anchor: "middle", class: `on-${level}` }),
      ];
    }),
    label(90 + used.length * 34, 43, used.includes(16) ? "(16: left exact)" : "", {
      class: "tick",
    }),
  ];
}
