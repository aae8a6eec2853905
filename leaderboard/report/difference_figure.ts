/**
 * Differences from the baseline with their intervals, one chart per model, one panel per slice.
 *
 * @module
 */
import type { Difference } from "../../stats/compare.ts";
import { NO_DIFFERENCE } from "../../stats/comparison_table.ts";
import type { Board, Place } from "../board.ts";
import { compareAt } from "../comparisons.ts";
import { type Standing, versusBaseline } from "../standing.ts";
import { chart, label, line, textWidth } from "./chart.ts";
import { element, type Markup } from "../../report/markup.ts";
import { signed } from "./numbers.ts";
import { type Scale, signedOrder, spaced, transformed } from "./scale.ts";

const ROW = 19;
const TOP = 58;
const FOOT = 46;
const PANEL_GAP = 18;
const WIDTH = 1240;

interface Panel {
  readonly name: string;
  readonly of: (policy: string) => Difference | undefined;
}

/** One chart per model; rows follow the ranking. */
export function differenceCharts(board: Board, standings: readonly Standing[]): Markup[] {
  const rows = standings.map((s) => s.policy).filter((policy) => policy !== board.baseline);
  if (!board.policies.includes(board.baseline) || rows.length === 0) return [];
  return board.models.map((model, i) => {
    const places = board.slices.map((slice): Place => ({ model, slice }));
    const panels: Panel[] = places.map((place) => ({
      name: place.slice,
      of: (policy) => compareAt(board, place, policy, board.baseline)?.quality_main,
    }));
    if (places.length > 1) {
      panels.push({
        name: `mean of ${places.length} slices`,
        of: (policy) => versusBaseline(board, policy, places),
      });
    }
    return differenceChart(`chart-difference-${i + 1}`, model, board.baseline, rows, panels);
  });
}

function differenceChart(
  id: string,
  model: string,
  baseline: string,
  rows: readonly string[],
  panels: readonly Panel[],
): Markup {
  const left = Math.max(...rows.map((name) => textWidth(name, 12))) + 14;
  const bottom = TOP + rows.length * ROW + 4;
  const panelWidth = (WIDTH - left - 10) / panels.length - PANEL_GAP;
  const cells = panels.map((panel) => rows.map((policy) => panel.of(policy)));
  const ends = cells.flat().flatMap((d) => d === undefined ? [] : [d.low, d.high, d.estimate]);
  const domain = [Math.min(-0.1, ...ends), Math.max(0.1, ...ends)] as const;
  return chart(
    {
      id,
      title: `Difference in quality_main from ${baseline} on ${model}`,
      description: `Paired differences of ${rows.length} policies from ${baseline} with 95 % ` +
        `intervals on ${panels.map((p) => p.name).join(", ")}. Filled marks: the interval does ` +
        `not contain 0. Open marks: no difference shown.`,
      width: WIDTH,
      height: bottom + FOOT,
    },
    label(0, 17, `${model} · difference from ${baseline}`, { class: "chart-title" }),
    rows.map((policy, r) => [
      r % 2 === 0 &&
      element("rect", { x: 0, y: TOP + r * ROW, width: WIDTH, height: ROW, class: "stripe" }),
      label(left - 10, TOP + r * ROW + 14, policy, { anchor: "end", class: "row-name" }),
    ]),
    panels.map((panel, p) => {
      const from = left + p * (panelWidth + PANEL_GAP) + 6;
      const x = transformed(signedOrder, domain, [from + 7, from + panelWidth - 7]);
      return [
        label(from + panelWidth / 2, TOP - 10, panel.name, {
          anchor: "middle",
          class: "panel-title",
        }),
        axis(x, domain, from, panelWidth, bottom),
        cells[p]!.map((d, r) =>
          d === undefined
            ? label(x(0), TOP + r * ROW + 14, "not run", { anchor: "middle", class: "tick" })
            : whisker(d, x, TOP + r * ROW + ROW / 2, `${rows[r]!} on ${panel.name}`)
        ),
      ];
    }),
    label(
      left + (WIDTH - left) / 2,
      bottom + 38,
      `points of quality_main, policy minus ${baseline} (log scale beyond ±0.05; right is better)`,
      { anchor: "middle", class: "axis-title" },
    ),
  );
}

function axis(
  x: Scale,
  domain: readonly [number, number],
  from: number,
  width: number,
  bottom: number,
): Markup[] {
  const ticks = [0, -10, 10, -1, 1, -100, 100, -0.1, 0.1, -50, 50, -3, 3]
    .filter((v) => v >= domain[0] && v <= domain[1])
    .map((value) => ({ value, text: value === 0 ? "0" : signed(value, value % 1 === 0 ? 0 : 1) }));
  return [
    ...spaced(ticks, x, 27).flatMap((t) => [
      line(x(t.value), TOP, x(t.value), bottom, t.value === 0 ? "zero" : "grid"),
      label(x(t.value), bottom + 15, t.text, { anchor: "middle", class: "tick" }),
    ]),
    line(from, bottom, from + width, bottom, "axis"),
  ];
}

function whisker(d: Difference, x: Scale, y: number, what: string): Markup {
  const style = d.shown ? (d.estimate > 0 ? "better" : "worse") : "unshown";
  return element(
    "g",
    { class: style },
    element(
      "title",
      {},
      `${what}: ${signed(d.estimate, 3)} [${signed(d.low, 3)}, ${signed(d.high, 3)}]` +
        (d.shown ? "" : `, ${NO_DIFFERENCE}`),
    ),
    line(x(d.low), y, x(d.high), y, "whisker"),
    d.shown && d.estimate > 0
      // A shape for each direction, so that colour is not the only sign.
      ? element("path", {
        d: `M${(x(d.estimate) - 4).toFixed(1)} ${y - 5}l9 5l-9 5z`,
        class: "mark",
      })
      : d.shown
      ? element("path", {
        d: `M${(x(d.estimate) + 4).toFixed(1)} ${y - 5}l-9 5l9 5z`,
        class: "mark",
      })
      : element("circle", { cx: x(d.estimate), cy: y, r: 4, class: "mark" }),
  );
}
