/**
 * The frame of every chart: an SVG with a title and a description that a screen reader announces,
 * and the texts and lines charts share.
 *
 * @module
 */
import { type Child, element, type Markup } from "../../report/markup.ts";

/** Size and words of a chart. */
export interface ChartFrame {
  /** Unique within the page. */
  readonly id: string;
  readonly title: string;
  /** What the chart shows, in a sentence or two, for who cannot see it. */
  readonly description: string;
  /** Size in px at which texts have their nominal size. */
  readonly width: number;
  readonly height: number;
}

/** An SVG element with accessible words. */
export function chart(frame: ChartFrame, ...children: Child[]): Markup {
  const { id, title, description, width, height } = frame;
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      id,
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      width: Math.ceil(width),
      height: Math.ceil(height),
      role: "img",
      "aria-labelledby": `${id}-title ${id}-description`,
    },
    element("title", { id: `${id}-title` }, title),
    element("desc", { id: `${id}-description` }, description),
    ...children,
  );
}

/** Where a text hangs: `start`, `middle` or `end` of it at the point. */
export type Anchor = "start" | "middle" | "end";

/** A text; its baseline is at `y`. */
export function label(
  x: number,
  y: number,
  text: string,
  options: { readonly anchor?: Anchor; readonly class?: string; readonly turned?: boolean } = {},
): Markup {
  return element("text", {
    x,
    y,
    "text-anchor": options.anchor ?? "start",
    class: options.class,
    transform: options.turned
      ? `rotate(-90 ${Math.round(x * 100) / 100} ${Math.round(y * 100) / 100})`
      : undefined,
  }, text);
}

/** A straight line. */
export function line(x1: number, y1: number, x2: number, y2: number, style: string): Markup {
  return element("line", { x1, y1, x2, y2, class: style });
}

/** Points joined by lines, as the `d` of a path. */
export function pathThrough(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
}

/** Estimated width in px of a text at a font size in px, for the page's sans-serif font. */
export function textWidth(text: string, size: number): number {
  let em = 0;
  for (const char of text) {
    em += /[ilj.,:;'|!]/.test(char) ? 0.3 : /[A-Zmw%]/.test(char) ? 0.78 : 0.57;
  }
  return em * size;
}
