/**
 * The report: one HTML file that needs nothing else.
 *
 * @module
 */
import type { Board } from "../board.ts";
import type { Manifest } from "../manifest.ts";
import { rank } from "../standing.ts";
import { comparisonTables } from "./comparison_tables.ts";
import { depthCharts } from "./depth_figure.ts";
import { differenceCharts } from "./difference_figure.ts";
import { klCharts } from "./kl_figure.ts";
import { limits } from "./limits.ts";
import { type Child, element, type Markup } from "../../report/markup.ts";
import { htmlPage } from "../../report/html_page.ts";
import { numberTables } from "./number_tables.ts";
import { paretoCharts } from "./pareto_figure.ts";
import { rankingTable } from "./ranking_table.ts";
import { STYLE } from "../../report/style.ts";
import { summary } from "./summary.ts";
import { widthCharts } from "./width_figure.ts";

interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Child;
}

/** The whole page as text. */
export function reportPage(board: Board, manifest: Manifest): string {
  const standings = rank(board);
  const sections: Section[] = [
    { id: "section-ranking", title: "Ranking", content: rankingTable(board, standings) },
    figure(
      "figure-pareto",
      "Quality against memory",
      "Filled marks and the line are the Pareto front: no policy gives more quality for as little " +
        "memory. Both scales are stretched, memory logarithmically and quality towards 100, where " +
        "the policies differ. Point at a mark for its numbers.",
      paretoCharts(board),
    ),
    figure(
      "figure-difference",
      `Differences from ${board.baseline}`,
      "Whiskers are paired 95 % intervals over the examples of a slice. Triangles point to where a " +
        "difference is shown; an open circle is a difference within its interval: no difference shown.",
      differenceCharts(board, standings),
      true,
    ),
    figure(
      "figure-widths",
      "Widths by layer and head",
      "Mean bits of the codes that are stored at the last step of a slice, to half a bit. Where they " +
        "depend on the slice, each has its own panel.",
      widthCharts(board, standings),
      true,
    ),
    figure(
      "figure-depth",
      "Needle recall by depth",
      "Share of needles found, by where in the context they lie. The last column holds examples " +
        "that have several needles and record no depth. Columns hold few examples: n is stated.",
      depthCharts(board, standings),
    ),
    figure(
      "figure-kl",
      "KL divergence by step",
      "How far the next-token distribution moves from the full-precision model's, by step of the " +
        "answer, averaged over the examples that reach the step (at least three). Lower is better; means " +
        "below 10⁻⁶ are drawn at it.",
      klCharts(board, standings),
      true,
    ),
    {
      id: "section-comparisons",
      title: `Paired comparisons with ${board.baseline}`,
      content: comparisonTables(board, standings),
    },
    { id: "section-numbers", title: "All numbers", content: numberTables(board, standings) },
    ...failureSection(board),
    ...misfitSection(board),
    ...refusedSection(board),
    ...remarkSection(board),
    { id: "section-limits", title: "What this report does not say", content: limits(board) },
    { id: "section-manifest", title: "How it was made", content: manifestList(manifest) },
  ].filter(({ content }) => !(Array.isArray(content) && content.length === 0));
  const title = "KV-cache quantization leaderboard";
  return htmlPage(
    title,
    STYLE,
    element(
      "header",
      {},
      element("h1", {}, title),
      element("p", { class: "lead" }, leadOf(board, manifest)),
      summary(board, standings),
      element(
        "nav",
        { "aria-label": "Sections" },
        element(
          "ul",
          {},
          sections.map((s) => element("li", {}, element("a", { href: `#${s.id}` }, s.title))),
        ),
      ),
    ),
    element(
      "main",
      {},
      sections.map((s) => element("section", { id: s.id }, element("h2", {}, s.title), s.content)),
    ),
    element(
      "footer",
      {},
      `kvreplay ${manifest.project.version}, commit ${manifest.project.commit}, contract ` +
        `${manifest.contract}. metrics.json, metrics.csv, comparisons.csv and manifest.json ` +
        `beside this file hold the same numbers.`,
    ),
  );
}

/** A section that holds one figure; left out when the figure has no chart. */
function figure(
  id: string,
  title: string,
  caption: string,
  charts: readonly Markup[],
  wide = false,
): Section {
  return {
    id: `section-${id}`,
    title,
    content: charts.length === 0 ? [] : element(
      "figure",
      { id },
      element("figcaption", {}, caption),
      element(
        "div",
        {
          class: wide ? "charts wide scroll" : "charts",
          ...(wide ? { tabindex: 0, role: "group", "aria-label": title } : {}),
        },
        charts,
      ),
    ),
  };
}

function leadOf(board: Board, manifest: Manifest): string {
  const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? "" : "s"}`;
  const policies = board.policies.length === 1 ? "1 policy" : `${board.policies.length} policies`;
  return `${policies} on ${count(board.slices.length, "slice")} (${board.slices.join(", ")}) and ${
    count(board.models.length, "model")
  } (${
    board.models.join(", ")
  }): each replayed on the real KV caches of the model and compared with full precision. ` +
    `Engine ${manifest.engine.device}, seed ${manifest.seed}, ${manifest.finished}.`;
}

function failureSection(board: Board): Section[] {
  if (board.failures.length === 0) return [];
  return [{
    id: "section-failures",
    title: "Cells that failed",
    content: element(
      "ul",
      {},
      board.failures.map((f) =>
        element("li", {}, element("strong", {}, `${f.slice} on ${f.model}: `), f.reason)
      ),
    ),
  }];
}

/** Policies that were passed over; left out when there are none. */
function misfitSection({ misfits }: Board): Section[] {
  return misfits.length === 0 ? [] : [{
    id: "section-not-applicable",
    title: "Policies that do not apply",
    content: element(
      "ul",
      {},
      misfits.map(({ model, policy, reason }) =>
        element("li", {}, element("strong", {}, `${policy} on ${model}: `), reason)
      ),
    ),
  }];
}

/** Examples that were left out, by model and slice; left out when there are none. */
function refusedSection({ refused }: Board): Section[] {
  return refused.length === 0 ? [] : [{
    id: "section-refused",
    title: "Examples that were left out",
    content: element(
      "ul",
      {},
      refused.map(({ model, slice, reason }) =>
        element("li", {}, element("strong", {}, `${slice} on ${model}: `), reason)
      ),
    ),
  }];
}

/** What a reader must know about single policies; left out when there is nothing. */
function remarkSection(board: Board): Section[] {
  const remarks = board.policies.flatMap((policy) => {
    const cells = board.cells.filter((c) => c.key.policy === policy);
    const ignored = [...new Set(cells.flatMap((c) => c.ignored_hooks))];
    const deviations = [...new Set(cells.flatMap((c) => c.deviations))];
    return [
      ...(ignored.length === 0
        ? []
        : [`${policy}: ignored, since its families do not use it: ${ignored.join(", ")}`]),
      ...deviations.map((what) => `${policy}: not as the official code has it: ${what}`),
    ];
  });
  return remarks.length === 0 ? [] : [{
    id: "section-remarks",
    title: "Remarks on policies",
    content: element("ul", {}, remarks.map((remark) => element("li", {}, remark))),
  }];
}

function manifestList(manifest: Manifest): Markup {
  const rows: [string, string][] = [
    ["project", `kvreplay ${manifest.project.version}, commit ${manifest.project.commit}`],
    ["contract", manifest.contract],
    ["engine", `${manifest.engine.device} on ${manifest.engine.machines.join("; ")}`],
    ...manifest.models.flatMap((m): [string, string][] => [
      [`model ${m.name}`, m.hash],
      ...(m.hub === null ? [] : [[`hub ${m.hub.name}`, m.hub.commit] as [string, string]]),
    ]),
    ...manifest.slices.map((s): [string, string] => [
      `slice ${s.name}`,
      `SHA-256 ${s.sha256}, ${s.examples} examples`,
    ]),
    ["budget", `${manifest.budget_bits} code bits`],
    ["seed", String(manifest.seed)],
    ["resamples", String(manifest.statistics.resamples)],
    ["versions", Object.entries(manifest.versions).map(([k, v]) => `${k} ${v}`).join(", ")],
    ["started, finished", `${manifest.started}, ${manifest.finished}`],
  ];
  return element(
    "dl",
    { class: "facts", id: "manifest" },
    rows.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}
