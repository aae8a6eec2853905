/** Heat maps of needle grids. */
import { assert, assertEquals } from "@std/assert";
import type { SliceResult } from "../../evaluation/results.ts";
import { heatMaps } from "../../report/heat_map.ts";
import { heatMapPage } from "../../report/heat_map_page.ts";
import { needleCells } from "../../report/needle_cells.ts";
import { findAll, readHtml, textOf } from "../leaderboard/report/html_tree.ts";
import { result } from "./sample_result.ts";

const [sample] = result.results;

/** A grid of two lengths and two depths, two prompts a cell; one cell of it was left out. */
const grid: SliceResult = {
  ...result,
  slice: "niah:single",
  results: ["a<b", "exact"].map((policy) => ({
    ...sample!,
    policy,
    outcomes: [["1k", 0, 1], ["1k", 0, 0.5], ["1k", 1, 0], ["1k", 1, 0], ["4k", 0, 1]].map(
      ([group, depth, score], i) => ({
        ...sample!.outcomes[0]!,
        id: `single-${i}`,
        group: group as string,
        depth: depth as number,
        score: score as number,
        referenceScore: 1,
        steps: sample!.outcomes[0]!.steps.map((step) => ({
          ...step,
          squaredError: policy === "exact" ? 0 : 0.25,
        })),
      }),
    ),
  })),
};

Deno.test("cells have the mean recall of their prompts", () => {
  assertEquals(needleCells(grid.results[0]!.outcomes), [
    { length: "1k", depth: 0, examples: 2, recall: 75, recall_ref: 100 },
    { length: "1k", depth: 1, examples: 2, recall: 0, recall_ref: 100 },
    { length: "4k", depth: 0, examples: 1, recall: 100, recall_ref: 100 },
  ]);
  assertEquals(needleCells(sample!.outcomes), []);
});

Deno.test("a terminal gets a map of full precision and of every policy that quantizes", () => {
  assertEquals(heatMaps(grid), [
    [
      "niah:single: recall in full precision",
      "depth      1k      4k",
      "0 %    ██ 100  ██ 100",
      "100 %  ██ 100",
    ].join("\n"),
    [
      "niah:single: recall under a<b",
      "depth      1k      4k",
      "0 %    ▓▓  75  ██ 100",
      "100 %       0",
    ].join("\n"),
  ]);
  assertEquals(heatMaps(result), []);
});

Deno.test("the page has the same maps, and names in it are text", () => {
  assertEquals(heatMapPage("mini", [result]), undefined);
  const page = heatMapPage("mini", [result, grid])!;
  const tables = findAll(readHtml(page), ({ name }) => name === "table");
  assertEquals(
    tables.map((table) => textOf(findAll(table, ({ name }) => name === "caption")[0]!)),
    [
      "Full precision",
      "a<b",
    ],
  );
  const cells = findAll(tables[1]!, ({ name }) => name === "td");
  assertEquals(cells.map(textOf), ["75", "100", "0", ""]);
  assert(page.includes('title="1k, depth 0 %: 75.0 of 2 prompts"'));
});
