/**
 * Every number of every cell, one folded table per place.
 *
 * @module
 */
import { nothingQuantized, type SliceNumbers } from "../../replay/metric.ts";
import type { Board, Place } from "../board.ts";
import { judgesTasks, type Standing } from "../standing.ts";
import { element, type Markup } from "../../report/markup.ts";
import { fixed, threeDigits } from "./numbers.ts";

/** Columns, their units and decimals; names as in the contract. */
const COLUMNS: readonly (readonly [keyof SliceNumbers, string, number])[] = [
  ["quality_main", "0–100", 2],
  ["quality_delta_vs_ref", "points", 2],
  ["peak_kv_memory_mb", "MiB", 3],
  ["avg_bits_per_kv_token", "bits", 3],
  ["code_bits", "bits", 2],
  ["kv_compression_ratio", "×", 2],
  ["constants_mb", "MiB", 3],
  ["break_even_tokens", "tokens", 0],
  ["cache_error", "0–1", 4],
  ["greedy_match_ratio", "0–1", 4],
  ["replay_agreement", "0–1", 4],
  ["task_score", "0–100", 1],
  ["task_score_ref", "0–100", 1],
  ["decode_tokens_per_s", "1/s", 1],
  ["prefill_latency_ms", "ms", 0],
  ["calibration_cost_s", "s", 1],
  ["steps", "", 0],
  ["examples", "", 0],
  ["examples_left_out", "", 0],
];

/** One table per place, rows in the order of the ranking. */
export function numberTables(board: Board, standings: readonly Standing[]): Markup[] {
  return board.places.filter((place) => board.cellsAt(place).length > 0)
    .map((place) => numberTable(board, place, standings));
}

function numberTable(board: Board, place: Place, standings: readonly Standing[]): Markup {
  const title = `${place.slice} on ${place.model}`;
  return element(
    "details",
    {},
    element("summary", {}, title),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
      element(
        "table",
        {},
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            element("th", { scope: "col", class: "text" }, "policy"),
            COLUMNS.map(([field, unit]) =>
              element(
                "th",
                { scope: "col" },
                field.replaceAll("_", " "),
                unit !== "" && [element("br", {}), element("small", {}, unit)],
              )
            ),
          ),
        ),
        element(
          "tbody",
          {},
          standings.flatMap(({ policy }) => {
            const cell = board.cell(place, policy);
            if (cell === undefined) return [];
            const { numbers } = cell;
            const blind = !judgesTasks(cell);
            return element(
              "tr",
              { class: policy === board.baseline ? "baseline" : undefined },
              element("th", { scope: "row" }, policy),
              COLUMNS.map(([field, , decimals]) =>
                element(
                  "td",
                  { class: field.startsWith("task_score") && blind ? "unshown" : undefined },
                  field === "code_bits" && nothingQuantized(numbers)
                    ? "0 (nothing was quantized)"
                    : field === "break_even_tokens" && numbers[field] < 0
                    ? "never"
                    : Math.abs(numbers[field]) >= 10_000
                    ? threeDigits(numbers[field])
                    : fixed(numbers[field], decimals),
                )
              ),
            );
          }),
        ),
      ),
    ),
  );
}
