/**
 * KL divergence by decoding step, one chart per model, one panel per policy, one line per slice.
 *
 * @module
 */
import type { CellExample } from "../cell.ts";
import { type Board, REFERENCE } from "../board.ts";
import type { Standing } from "../standing.ts";
import { chart, label, line, pathThrough } from "./chart.ts";
import { element, type Markup } from "../../report/markup.ts";
import { threeDigits } from "./numbers.ts";
import { linear, type Scale, transformed } from "./scale.ts";

const WIDTH = 1240;
const COLUMNS = 5;
const PANEL = { width: 212, height: 116 };
const GAP = { x: 44, y: 66 };
const LEFT = 46;
const TOP = 84;
/** Means below this are drawn at it: a replay in float32 cannot tell them from 0. */
const FLOOR = 1e-6;
/** A step is drawn while at least this many examples reach it. */
const FEWEST = 3;

interface StepMean {
  readonly step: number;
  readonly kl: number;
  readonly examples: number;
}

/** Mean KL of each step over the examples that reach it. */
export function meanKlByStep(examples: readonly CellExample[]): StepMean[] {
  const longest = Math.max(...examples.map((e) => e.steps.length));
  return Array.from({ length: longest }, (_, step) => {
    const kls = examples.flatMap((e) => e.steps[step]?.kl ?? []);
    return { step, kl: kls.reduce((a, b) => a + b, 0) / kls.length, examples: kls.length };
  }).filter((m) => m.examples >= Math.min(FEWEST, examples.length));
}

/** One chart per model; panels follow the ranking, the full-precision policy left out. */
export function klCharts(board: Board, standings: readonly Standing[]): Markup[] {
  const policies = standings.map((s) => s.policy).filter((policy) => policy !== REFERENCE);
  return board.models.flatMap((model, i) => {
    const panels = policies.map((policy) => ({
      policy,
      lines: board.slices.map((slice) => {
        const cell = board.cell({ model, slice }, policy);
        return cell === undefined ? [] : meanKlByStep(cell.examples);
      }),
    })).filter(({ lines }) => lines.some((means) => means.length > 0));
    return panels.length === 0 ? [] : [klChart(`chart-kl-${i + 1}`, model, board.slices, panels)];
  });
}

function klChart(
  id: string,
  model: string,
  slices: readonly string[],
  panels: readonly { policy: string; lines: readonly (readonly StepMean[])[] }[],
): Markup {
  const all = panels.flatMap((p) => p.lines.flat());
  const top = 10 ** Math.ceil(Math.log10(Math.max(FLOOR * 10, ...all.map((m) => m.kl))));
  const least = Math.max(FLOOR, Math.min(...all.map((m) => m.kl)));
  const bottom = Math.min(10 ** Math.floor(Math.log10(least)), top / 100);
  const lastStep = Math.max(1, ...all.map((m) => m.step));
  const rows = Math.ceil(panels.length / COLUMNS);
  return chart(
    {
      id,
      title: `KL divergence by decoding step on ${model}`,
      description: `Mean KL(reference || policy) in nats, log scale from ${bottom} to ${top}, by ` +
        `step of the answer, for ${panels.length} policies; one line per slice (${
          slices.join(", ")
        }).`,
      width: WIDTH,
      height: TOP + rows * (PANEL.height + GAP.y),
    },
    label(0, 17, `${model} · mean KL(reference ‖ policy), nats (log scale)`, {
      class: "chart-title",
    }),
    slices.map((slice, s) => [
      line(s * 150, 42, s * 150 + 34, 42, `series series-${s % 4}`),
      label(s * 150 + 41, 46, slice, { class: "row-name" }),
    ]),
    panels.map(({ policy, lines }, i) => {
      const left = LEFT + (i % COLUMNS) * (PANEL.width + GAP.x - LEFT / COLUMNS);
      const y0 = TOP + Math.floor(i / COLUMNS) * (PANEL.height + GAP.y);
      const x = linear([0, lastStep], [left, left + PANEL.width - 20]);
      const y = transformed(
        (kl) => Math.log10(Math.max(bottom, kl)),
        [bottom, top],
        [y0 + PANEL.height, y0],
      );
      return element(
        "g",
        {},
        label(left, y0 - 7, policy, { class: "panel-title" }),
        frame(x, y, [bottom, top], lastStep),
        lines.map((means, s) =>
          means.length > 0 && series(means, x, y, s, `${policy}, ${slices[s]}`)
        ),
        label(x(lastStep / 2), y0 + PANEL.height + 30, "step of the answer", {
          anchor: "middle",
          class: "tick",
        }),
      );
    }),
  );
}

function frame(x: Scale, y: Scale, domain: readonly [number, number], lastStep: number): Markup[] {
  const decades: number[] = [];
  const highest = Math.log10(Math.min(domain[1] * 1.001, Number.MAX_VALUE));
  for (let p = Math.round(Math.log10(domain[0])); p <= highest; p++) {
    decades.push(p);
  }
  const every = Math.ceil(decades.length / 5);
  const stride = [1, 2, 5, 10, 20, 50, 100, 200].find((s) => lastStep / s <= 5) ?? lastStep;
  const steps = Array.from({ length: Math.floor(lastStep / stride) + 1 }, (_, i) => i * stride);
  return [
    ...decades.filter((_, i) => i % every === 0).flatMap((p) => [
      line(x(0), y(10 ** p), x(lastStep), y(10 ** p), "grid"),
      element(
        "text",
        { x: x(0) - 6, y: y(10 ** p) + 4, "text-anchor": "end", class: "tick" },
        p === 0 || p === 1 ? String(10 ** p) : [
          "10",
          element("tspan", { dy: -4, "font-size": "8" }, String(p).replace("-", "−")),
        ],
      ),
    ]),
    line(x(0), y(domain[0]), x(lastStep), y(domain[0]), "axis"),
    ...steps.map((s) =>
      label(x(s), y(domain[0]) + 15, String(s), { anchor: "middle", class: "tick" })
    ),
  ];
}

function series(
  means: readonly StepMean[],
  x: Scale,
  y: Scale,
  index: number,
  what: string,
): Markup {
  const last = means.at(-1)!;
  const style = `series-${index % 4}`;
  return element(
    "g",
    {},
    element(
      "title",
      {},
      `${what}: ${threeDigits(means[0]!.kl)} nats at step 0 (${means[0]!.examples} examples), ` +
        `${threeDigits(last.kl)} at step ${last.step} (${last.examples} examples)`,
    ),
    element("path", {
      d: pathThrough(means.map((m) => [x(m.step), y(m.kl)] as const)),
      class: `series ${style}`,
    }),
    means.length === 1 &&
      element("circle", { cx: x(last.step), cy: y(last.kl), r: 3, class: `series-dot ${style}` }),
  );
}
