/**
 * The live page, made of the report's own parts. The part that changes is made here, too, and the
 * page's script only puts it in its place: without a script the page shows the same, once.
 *
 * @module
 */
import { Board, REFERENCE } from "../leaderboard/board.ts";
import type { Cell } from "../leaderboard/cell.ts";
import { type Child, element, join, Markup } from "../report/markup.ts";
import { htmlPage } from "../report/html_page.ts";
import { fixed } from "../leaderboard/report/numbers.ts";
import { paretoCharts } from "../leaderboard/report/pareto_figure.ts";
import { STYLE } from "../report/style.ts";
import { cellText } from "../sweep/definition.ts";
import type { BoardName, LiveRun, ServedBoard } from "./boards.ts";
import { type Filter, seedsOf, shownCells } from "./filter.ts";

/** A run that has not written for so long is told apart: its cell is long, or it was killed. */
const QUIET_MS = 60_000;

const OWN_STYLE = `
form{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:end;margin:18px 0}
label{display:grid;gap:3px;color:var(--muted);font-size:14px}
select,input,button{font:inherit;color:var(--ink);background:var(--raised);border:1px solid var(--rule);
  border-radius:4px;padding:4px 8px}
input[type=number]{width:7em}
progress{width:14em;accent-color:var(--front)}
`;

/** The style sheet of the page. */
export const PAGE_STYLE = STYLE + OWN_STYLE;

/** What a page is made of. */
export interface PageInput {
  /** All that there are. */
  readonly boards: readonly BoardName[];
  /** The one that is shown; undefined where there is none. */
  readonly board: ServedBoard | undefined;
  readonly filter: Filter;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The whole page. */
export function livePage(input: PageInput): string {
  const { boards, board, filter } = input;
  const title = "KV-cache quantization sweeps";
  return htmlPage(
    title,
    [
      new Markup('<link rel="stylesheet" href="/page.css">'),
      element("script", { src: "/page.js", defer: "" }),
    ],
    element("header", {}, element("h1", {}, title), filterForm(boards, board, filter)),
    element("main", { id: "live" }, new Markup(liveParts(input))),
    element("footer", {}, "This page reads what is there and writes nothing."),
  );
}

/** The part that changes: what is running, the plot, the cells, and the reports. */
export function liveParts({ boards, board, filter, now }: PageInput): string {
  if (board === undefined) {
    return element("p", { class: "lead" }, "There is no sweep and no leaderboard here yet.").text;
  }
  const cells = shownCells(board, filter);
  return join([
    section("running", "Running", runningParts(board, now)),
    section("pareto", "Quality against memory", paretoParts(cells)),
    section("cells", `Cells: ${cells.length} of ${board.cells.length}`, cellTable(cells)),
    board.failures.length > 0 && section("failures", "Cells that failed", failureList(board)),
    section("reports", "Finished leaderboards", reportList(boards)),
  ]).text;
}

function section(id: string, title: string, content: Child): Markup {
  return element("section", { id }, element("h2", {}, title), content);
}

function filterForm(
  boards: readonly BoardName[],
  board: ServedBoard | undefined,
  filter: Filter,
): Markup {
  const cells = board?.cells ?? [];
  const names = (of: (cell: Cell) => string) => ["", ...new Set(cells.map(of))];
  return element(
    "form",
    { id: "filter", method: "get" },
    select("board", "sweep", boards.map(({ name }) => name), board?.name ?? ""),
    select("model", "model", names(({ key }) => key.model), filter.model),
    select("benchmark", "benchmark", names(({ key }) => key.slice), filter.benchmark),
    field("policy", "policy has in its name", "search", filter.policy),
    field("least", "bits from", "number", filter.least === 0 ? "" : String(filter.least)),
    field("most", "bits to", "number", filter.most === Infinity ? "" : String(filter.most)),
    select("seed", "seed", seedsOf(cells).map(String), filter.seed),
    element("button", { type: "submit" }, "Show"),
  );
}

function select(name: string, title: string, values: readonly string[], value: string): Markup {
  const option = (one: string) =>
    element(
      "option",
      { value: one, selected: one === value ? "" : undefined },
      one === "" ? "all" : one,
    );
  return element("label", {}, title, element("select", { name }, values.map(option)));
}

function field(name: string, title: string, type: string, value: string): Markup {
  const step = type === "number" ? "any" : undefined;
  return element(
    "label",
    {},
    title,
    new Markup(element("input", { name, type, value, step }).text.replace("</input>", "")),
  );
}

function runningParts({ live }: ServedBoard, now: number): Child {
  if (live.length === 0) return element("p", { class: "lead" }, "Nothing is running.");
  return live.map((run) => [
    element(
      "p",
      {},
      `${run.name}: ${run.record.done} of ${run.record.total} cells `,
      element("progress", { value: run.record.done, max: Math.max(1, run.record.total) }),
    ),
    workerTable(run, now),
  ]);
}

function workerTable({ record, written }: LiveRun, now: number): Markup {
  return element(
    "table",
    { class: "workers" },
    element("thead", {}, element("tr", {}, headers(["worker", "cells", "runs", "for"]))),
    element(
      "tbody",
      {},
      record.workers.map(({ name, done, cell, since, silentSeconds }, i) => {
        const silent = silentSeconds === undefined ? now - written : 1000 * silentSeconds;
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, name ?? String(i + 1)),
          element("td", {}, String(done)),
          element("td", { class: "text" }, cell === null ? "" : cellText(cell)),
          element(
            "td",
            {},
            cell === null ? "" : `${Math.max(0, Math.round((now - since) / 1000))} s`,
            silent > QUIET_MS && element("small", { class: "below" }, "no sign of life"),
          ),
        );
      }),
    ),
  );
}

function headers(names: readonly string[]): Markup[] {
  const isText = (name: string) => ["policy", "runs", "model", "benchmark"].includes(name);
  return names.map((name) =>
    element("th", { scope: "col", class: isText(name) ? "text" : undefined }, name)
  );
}

function paretoParts(cells: readonly Cell[]): Child {
  if (cells.length === 0) return element("p", { class: "lead" }, "No cell is shown.");
  const board = new Board({ cells, failures: [], baseline: REFERENCE, seed: 0 });
  return element(
    "figure",
    { id: "figure-pareto" },
    element(
      "figcaption",
      {},
      "Filled marks and the line are the Pareto front of the cells that are shown. Point at a mark " +
        "for its numbers.",
    ),
    element("div", { class: "charts" }, paretoCharts(board)),
  );
}

const COLUMNS = ["model", "benchmark", "policy", "quality_main", "MiB", "bits", "task", "s"];

function cellTable(cells: readonly Cell[]): Child {
  if (cells.length === 0) return [];
  // Those that came last are read first.
  const ordered = cells.toSorted((a, b) => endOf(b) - endOf(a));
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Cells" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, headers(COLUMNS))),
      element("tbody", {}, ordered.map(cellRow)),
    ),
  );
}

function endOf({ environment: { started, seconds } }: Cell): number {
  return started + seconds;
}

function cellRow({ key, numbers, environment }: Cell): Markup {
  return element(
    "tr",
    {},
    element("td", { class: "text" }, key.model),
    element("td", { class: "text" }, key.slice),
    element("th", { scope: "row" }, key.policy),
    element("td", {}, fixed(numbers.quality_main, 2)),
    element("td", {}, fixed(numbers.peak_kv_memory_mb, 3)),
    element("td", {}, fixed(numbers.avg_bits_per_kv_token, 3)),
    element("td", {}, fixed(numbers.task_score, 1)),
    element("td", {}, fixed(environment.seconds, 1)),
  );
}

function failureList({ failures }: ServedBoard): Markup {
  return element(
    "ul",
    {},
    failures.map(({ name, reason }) =>
      element("li", {}, element("strong", {}, `${name}: `), reason)
    ),
  );
}

function reportList(boards: readonly BoardName[]): Child {
  const finished = boards.filter(({ report }) => report);
  if (finished.length === 0) return element("p", { class: "lead" }, "None is finished.");
  return element(
    "ul",
    {},
    finished.map(({ name }) =>
      element("li", {}, element("a", { href: `/report?board=${encodeURIComponent(name)}` }, name))
    ),
  );
}
