import { assert, assertEquals } from "@std/assert";
import type { PairedComparison } from "../../stats/compare.ts";
import {
  comparisonTable,
  formatDifference,
  formatP,
  NO_DIFFERENCE,
} from "../../stats/comparison_table.ts";

const COMPARISON: PairedComparison = {
  a: "adaptive",
  b: "kivi_overlap_4bit",
  examples: 32,
  resamples: 10_000,
  seed: 1,
  quality_main: { estimate: -0.2, low: -0.5, high: -0.04, shown: true },
  task_score: { estimate: 3.125, low: -3.1, high: 9.4, shown: false },
  answers: { both: 26, onlyA: 2, onlyB: 1, neither: 3 },
  mcnemar_p: 1,
};

Deno.test("a difference within its interval is called no difference shown", () => {
  assertEquals(formatDifference(COMPARISON.quality_main), "-0.20 [-0.50, -0.040]");
  assertEquals(
    formatDifference(COMPARISON.task_score),
    `+3.13 [-3.10, 9.40] ${NO_DIFFERENCE}`,
  );
  assertEquals(
    formatDifference({ estimate: 0, low: 0, high: 0, shown: false }),
    `0.00 [0.00, 0.00] ${NO_DIFFERENCE}`,
  );
  assertEquals(
    formatDifference({ estimate: -1e-9, low: -1e-9, high: 0, shown: false }),
    `0.000 [0.000, 0.00] ${NO_DIFFERENCE}`,
  );
});

Deno.test("p-values have two significant digits", () => {
  assertEquals([1, 0.4567, 0.03125, 0.00123, 1e-9].map(formatP), [
    "1.00",
    "0.46",
    "0.031",
    "0.0012",
    "<0.0001",
  ]);
});

Deno.test("the table states pairs, counts, seed and method", () => {
  const table = comparisonTable("longbench on mini", [COMPARISON]);
  const lines = table.split("\n");
  assertEquals(lines[0], "longbench on mini");
  assert(lines[1]!.startsWith("policy A vs B"));
  assert(lines[3]!.startsWith("adaptive vs kivi_overlap_4bit"));
  assert(lines[3]!.includes("2/1/26/3"));
  assert(lines[3]!.endsWith("32"));
  for (const fact of ["10000 resamples", "seed 1", "bootstrap", "McNemar", NO_DIFFERENCE]) {
    assert(lines.at(-1)!.includes(fact), `the foot lacks "${fact}": ${lines.at(-1)}`);
  }
});
