/**
 * How the cost of a replay grows with its prompt, its steps, its policies and the layers of its model:
 * slopes of logarithms, and a figure.
 *
 * @module
 */
import { growthChart } from "./growth_chart.ts";
import { logSlope } from "./log_slope.ts";
import { type Growth, measureGrowth } from "./measure_growth.ts";
import type { PointCost } from "./point.ts";

/** Points behind which fixed costs hardly count any more: slopes of these alone are told, too. */
const LAST = 3;

/** Slopes as a table in Markdown. */
export function growthTable(growths: readonly Growth[]): string {
  const rows = growths.flatMap(({ name, costs, points }) => {
    const ends = [points[0]!, points.at(-1)!];
    const range = ends.map(({ at }) => at).join(" to ");
    return costs.map((cost) => {
      const slope = (list: Growth["points"]) =>
        logSlope(list.map((point) => [point.at, point.cost[cost]])).toFixed(2);
      const shownEnds = ends.map((end) => shown(cost, end.cost[cost])).join(" to ");
      return `| ${name}, ${range} | ${cost} | ${shownEnds} | ${slope(points)} | ${
        slope(points.slice(-LAST))
      } |`;
    });
  });
  return [
    `| what grows | cost | from, to | slope | of the last ${LAST} |`,
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** A cost with its unit. */
export function shown(what: keyof PointCost, value: number): string {
  return what === "memory"
    ? `${(value / 2 ** 20).toFixed(0)} MiB`
    : value < 1
    ? `${Number((1000 * value).toPrecision(2))} ms`
    : `${Number(value.toPrecision(2))} s`;
}

/** Measures, and writes the figure. */
export async function reportGrowth(figure: string): Promise<string> {
  const growths = await measureGrowth();
  await Deno.writeTextFile(figure, growthChart(growths));
  return growthTable(growths);
}
