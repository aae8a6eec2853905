/**
 * The figure of how costs grow: a panel for each thing that is varied, both axes logarithmic.
 *
 * @module
 */
import { chart, label, line, pathThrough } from "../../leaderboard/report/chart.ts";
import { type Scale, transformed } from "../../leaderboard/report/scale.ts";
import { element, type Markup } from "../../report/markup.ts";

import { logSlope } from "./log_slope.ts";
import type { Growth } from "./measure_growth.ts";
import type { PointCost } from "./point.ts";

const PANEL = { width: 270, height: 220, left: 46, right: 12, top: 30, bottom: 34 };
const LEGEND = 22;

/** Colors that can be told apart on white, by people who see few, too. */
const LINES = {
  replay: { name: "replay, s", color: "#0072b2", unit: 1 },
  prefill: { name: "prefill, s", color: "#d55e00", unit: 1 },
  memory: { name: "memory, GiB", color: "#009e73", unit: 2 ** 30 },
} as const satisfies Record<keyof PointCost, { name: string; color: string; unit: number }>;

const STYLE = "text{font:11px sans-serif;fill:#222}.title{font-weight:bold}" +
  ".axis{stroke:#999}.grid{stroke:#e5e5e5}path{fill:none;stroke-width:2}";

/** The figure as the text of an SVG file; it brings its own background. */
export function growthChart(growths: readonly Growth[]): string {
  const values = growths.flatMap(({ costs, points }) =>
    points.flatMap(({ cost }) => costs.map((key) => cost[key] / LINES[key].unit))
  );
  const domain = [
    10 ** Math.floor(Math.log10(Math.min(...values))),
    10 ** Math.ceil(Math.log10(Math.max(...values))),
  ] as const;
  const width = PANEL.width * growths.length;
  const height = PANEL.height + LEGEND;
  return chart(
    {
      id: "growth",
      title: "How the cost of a replay grows",
      description: `Time and memory over ${growths.map(({ name }) => name).join(", ")}`,
      width,
      height,
    },
    element("style", {}, STYLE),
    element("rect", { width, height, fill: "#fff" }),
    growths.map((growth, i) => panel(growth, i * PANEL.width, domain)),
    keysOf(LINES).map((key, i) => legend(key, PANEL.left + 110 * i, height - 8)),
  ).text + "\n";
}

function keysOf<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(record) as K[];
}

function panel(
  { name, costs, points }: Growth,
  left: number,
  domain: readonly [number, number],
): Markup {
  const ends = [points[0]!.at, points.at(-1)!.at] as const;
  const x = transformed(Math.log10, ends, [left + PANEL.left, left + PANEL.width - PANEL.right]);
  const y = transformed(Math.log10, domain, [PANEL.height - PANEL.bottom, PANEL.top]);
  const decades = Array.from(
    { length: Math.round(Math.log10(domain[1] / domain[0])) + 1 },
    (_, i) => domain[0] * 10 ** i,
  );
  return element(
    "g",
    {},
    label(left + PANEL.left, 16, name, { class: "title" }),
    decades.map((value) => [
      line(x(ends[0]), y(value), x(ends[1]), y(value), "grid"),
      label(left + PANEL.left - 5, y(value) + 4, Number(value.toPrecision(1)).toString(), {
        anchor: "end",
      }),
    ]),
    ends.map((at, i) =>
      label(x(at), PANEL.height - PANEL.bottom + 16, String(at), {
        anchor: i === 0 ? "start" : "end",
      })
    ),
    costs.map((key) => curve(points, key, x, y)),
  );
}

function curve(points: Growth["points"], key: keyof PointCost, x: Scale, y: Scale): Markup {
  const { color, unit } = LINES[key];
  const costs = points.map(({ at, cost }) => [at, cost[key] / unit] as const);
  return element(
    "path",
    { d: pathThrough(costs.map(([at, cost]) => [x(at), y(cost)])), stroke: color },
    element("title", {}, `slope ${logSlope(costs).toFixed(2)}`),
  );
}

function legend(key: keyof PointCost, x: number, y: number): Markup {
  const { name, color } = LINES[key];
  return element(
    "g",
    {},
    element("path", { d: pathThrough([[x, y - 4], [x + 18, y - 4]]), stroke: color }),
    label(x + 23, y, name),
  );
}
