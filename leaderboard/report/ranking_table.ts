/**
 * The ranking as a table.
 *
 * @module
 */
import type { Difference } from "../../stats/compare.ts";
import { NO_DIFFERENCE } from "../../stats/comparison_table.ts";
import type { Board } from "../board.ts";
import { UNEVEN, unevenSentence } from "../board_text.ts";
import type { Standing } from "../standing.ts";
import { type Child, element, type Markup } from "../../report/markup.ts";
import { fixed, percent, points, signed, threeDigits } from "./numbers.ts";

/** One row per policy, best mean quality first. */
export function rankingTable(board: Board, standings: readonly Standing[]): Markup {
  const places = board.places.length;
  const uneven = unevenSentence(board);
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ranking" },
    element(
      "table",
      { id: "ranking" },
      element(
        "caption",
        {},
        `Means over ${places} ${places === 1 ? "place" : "places"} (models × slices), each with ` +
          `the same weight; intervals cover 95 %. Memory is the peak, speed the median.`,
        uneven !== undefined && ` ${UNEVEN} ${uneven}.`,
      ),
      element("thead", {}, element("tr", {}, header(board))),
      element("tbody", {}, standings.map((s) => row(board, s))),
    ),
  );
}

function header(board: Board): Markup[] {
  const column = (text: string, unit: string, style?: string) =>
    element(
      "th",
      { scope: "col", class: style },
      text,
      unit !== "" && [element("br", {}), element("small", {}, unit)],
    );
  return [
    column("#", ""),
    column("policy", "", "text"),
    column("quality_main", "0–100, mean and interval"),
    column("worst place", "quality_main"),
    column("task_score", "0–100 (reference)"),
    column("stored", "bits / element"),
    column("codes", "bits"),
    column("memory", "% of 16 bit"),
    column("on front", "places"),
    column("speed", "steps / s"),
    column("difference", `from ${board.baseline}`, "text"),
  ];
}

function row(board: Board, s: Standing): Markup {
  const cell = (child: Child, style?: string) => element("td", { class: style }, child);
  const below = (text: string) => element("small", { class: "below" }, text);
  return element(
    "tr",
    { class: s.policy === board.baseline ? "baseline" : undefined, "data-policy": s.policy },
    cell(s.rank === null ? "–" : String(s.rank)),
    element(
      "th",
      { scope: "row" },
      s.policy,
      s.uneven && ` ${UNEVEN}`,
      s.outsideBudget && element("small", { class: "below" }, "outside the budget"),
      s.claimed && element("small", { class: "below" }, "bits claimed, not stored"),
      s.cells < s.of && element("small", { class: "below" }, `${s.cells} of ${s.of} places`),
    ),
    cell([
      points(s.quality),
      below(`${points(s.qualityInterval.low)} to ${points(s.qualityInterval.high)}`),
    ]),
    cell([points(s.worst.quality), below(`${s.worst.slice} · ${s.worst.model}`)]),
    cell(
      [
        fixed(s.task, 1),
        " ",
        element("small", {}, `(${fixed(s.taskReference, 1)})`),
        s.taskBlind > 0 && below(`${s.taskBlind} of ${s.cells} places cannot judge it`),
      ],
      s.taskBlind > 0 ? "unshown" : undefined,
    ),
    cell(fixed(s.bits, 2)),
    cell(fixed(s.codeBits, 2)),
    cell(percent(s.memoryShare, 1)),
    cell(`${s.onFront} / ${s.of}`),
    cell(threeDigits(s.speed)),
    s.policy === board.baseline
      ? cell("baseline", "text unshown")
      : s.versusBaseline === undefined
      ? cell("–", "text")
      : cell(differenceText(s.versusBaseline), `text ${differenceStyle(s.versusBaseline)}`),
  );
}

/** A difference in words: its interval, or that none is shown. */
export function differenceText(d: Difference): Child {
  return [
    `${signed(d.estimate, 2)} [${signed(d.low, 2)}, ${signed(d.high, 2)}]`,
    !d.shown && element("small", { class: "below" }, NO_DIFFERENCE),
  ];
}

/** Style of a difference. */
export function differenceStyle(d: Difference): string {
  return !d.shown ? "unshown" : d.estimate > 0 ? "better" : "worse";
}
