/** Scores of LongBench's own metrics.py. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { classification } from "../../benchmarks/scorers/classification.ts";
import { codeSimilarity } from "../../benchmarks/scorers/code_similarity.ts";
import { qaF1 } from "../../benchmarks/scorers/qa_f1.ts";
import { count, retrieval } from "../../benchmarks/scorers/retrieval.ts";
import golden from "../golden/longbench_scores/cases.json" with { type: "json" };

type Metric = (reply: string, answer: string, labels: readonly string[]) => number;

const metrics: Readonly<Record<string, Metric>> = {
  qa_f1: qaF1,
  retrieval,
  count,
  classification,
  code_sim: codeSimilarity,
};

for (const [name, metric] of Object.entries(metrics)) {
  Deno.test(`${name} scores as LongBench does`, () => {
    const cases = golden.cases.filter((c) => c.metric === name);
    for (const { prediction, ground_truth, all_classes, score } of cases) {
      assertAlmostEquals(
        metric(prediction, ground_truth, all_classes ?? []),
        score,
        1e-12,
        `${name}(${JSON.stringify(prediction)}, ${JSON.stringify(ground_truth)})`,
      );
    }
  });
}

Deno.test("every golden score is checked", () => {
  assertEquals([...new Set(golden.cases.map((c) => c.metric))].sort(), Object.keys(metrics).sort());
});
