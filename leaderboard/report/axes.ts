/**
 * The two axes of a chart that sets memory against quality.
 *
 * @module
 */
import { label, line } from "./chart.ts";
import type { Markup } from "../../report/markup.ts";
import { decadeTicks, type Scale, spaced, type Tick } from "./scale.ts";

/** Edges of the part of a chart that its points lie in, in the chart's units. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** What stands along one axis. */
export interface Axis {
  readonly title: string;
  /** From a value to its place in the chart. */
  readonly scale: Scale;
}

/**
 * Lines and names of both axes.
 *
 * @param memory on a logarithmic scale; `domain` is the least and the most that it shows
 * @param quality `ticks` in the order in which they may keep their place where it is narrow
 */
export function axes(
  plot: Plot,
  memory: Axis & { readonly domain: readonly [number, number] },
  quality: Axis & { readonly ticks: readonly Tick[] },
): Markup[] {
  const { left, top, right, bottom } = plot;
  const [x, y] = [memory.scale, quality.scale];
  return [
    ...spaced(quality.ticks, y, 17).flatMap((t) => [
      line(left, y(t.value), right, y(t.value), "grid"),
      label(left - 7, y(t.value) + 4, t.text, { anchor: "end", class: "tick" }),
    ]),
    ...spaced(decadeTicks(memory.domain), x, 26).flatMap((t) => [
      line(x(t.value), top, x(t.value), bottom, "grid"),
      label(x(t.value), bottom + 16, t.text, { anchor: "middle", class: "tick" }),
    ]),
    line(left, bottom, right, bottom, "axis"),
    line(left, top, left, bottom, "axis"),
    label((left + right) / 2, bottom + 36, memory.title, { anchor: "middle", class: "axis-title" }),
    label(16, (top + bottom) / 2, quality.title, {
      anchor: "middle",
      class: "axis-title",
      turned: true,
    }),
  ];
}
