/**
 * Every policy against the baseline, one folded table per place, with what the test on exact
 * answers says.
 *
 * @module
 */
import { comparisonFoot, formatP } from "../../stats/comparison_table.ts";
import type { Board } from "../board.ts";
import { againstBaseline, type PlacedComparison } from "../comparisons.ts";
import type { Standing } from "../standing.ts";
import { element, type Markup } from "../../report/markup.ts";
import { differenceStyle, differenceText } from "./ranking_table.ts";

/** One table per place, rows in the order of the ranking. */
export function comparisonTables(board: Board, standings: readonly Standing[]): Markup[] {
  const order = standings.map(({ policy }) => policy);
  return board.places.flatMap((place) => {
    const comparisons = againstBaseline(board, place, order);
    return comparisons.length === 0 ? [] : [element(
      "details",
      {},
      element(
        "summary",
        {},
        `${place.slice} on ${place.model}, ${comparisons[0]!.examples} examples`,
      ),
      table(board.baseline, comparisons),
      element("p", { class: "lead" }, comparisonFoot(comparisons)),
    )];
  });
}

function table(baseline: string, comparisons: readonly PlacedComparison[]): Markup {
  const columns: readonly (readonly [string, string])[] = [
    ["policy A", ""],
    ["quality_main", `A − ${baseline}`],
    ["task_score", `A − ${baseline}`],
    ["only A", "exact"],
    ["only B", "exact"],
    ["both", "exact"],
    ["neither", "exact"],
    ["McNemar", "p, two-sided"],
    ["examples", ""],
  ];
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": `Comparisons with ${baseline}` },
    element(
      "table",
      {},
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          columns.map(([name, unit], i) =>
            element(
              "th",
              { scope: "col", class: i < 3 ? "text" : undefined },
              name,
              unit !== "" && [element("br", {}), element("small", {}, unit)],
            )
          ),
        ),
      ),
      element("tbody", {}, comparisons.map(row)),
    ),
  );
}

function row(c: PlacedComparison): Markup {
  const { answers } = c;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, c.a),
    [c.quality_main, c.task_score].map((d) =>
      element("td", { class: `text ${differenceStyle(d)}` }, differenceText(d))
    ),
    [answers.onlyA, answers.onlyB, answers.both, answers.neither].map((n) => element("td", {}, n)),
    element("td", {}, formatP(c.mcnemar_p)),
    element("td", {}, c.examples),
  );
}
