/** Scores of LongBench's own metrics.py. */
import { assertEquals } from "@std/assert";
import { chineseQaF1, chineseRougeL, loadChineseWords } from "../../benchmarks/scorers/chinese.ts";
import { classification } from "../../benchmarks/scorers/classification.ts";
import { codeSimilarity } from "../../benchmarks/scorers/code_similarity.ts";
import { qaF1 } from "../../benchmarks/scorers/qa_f1.ts";
import { chineseRetrieval, count, retrieval } from "../../benchmarks/scorers/retrieval.ts";
import { rougeL } from "../../benchmarks/scorers/rouge_l.ts";
import short from "../golden/longbench_scores/cases.json" with { type: "json" };
import summaries from "../golden/longbench_scores/summaries.json" with { type: "json" };

interface Case {
  readonly metric: string;
  readonly prediction: string;
  readonly ground_truth: string;
  readonly all_classes?: readonly string[] | null;
  readonly score: number;
}

const cases: readonly Case[] = [...short.cases, ...summaries.cases];

type Metric = (reply: string, answer: string, labels: readonly string[]) => number;

const metrics: Readonly<Record<string, Metric>> = {
  qa_f1: qaF1,
  retrieval,
  count,
  classification,
  code_sim: codeSimilarity,
  rouge_l: rougeL,
  qa_f1_zh: chineseQaF1,
  rouge_zh: chineseRougeL,
  retrieval_zh: chineseRetrieval,
};

const casesOf = (name: string) => cases.filter(({ metric }) => metric === name);

for (const [name, metric] of Object.entries(metrics)) {
  Deno.test(`${name} scores as LongBench does, to the last digit`, async () => {
    await loadChineseWords();
    for (const { prediction, ground_truth, all_classes, score } of casesOf(name)) {
      assertEquals(
        metric(prediction, ground_truth, all_classes ?? []),
        score,
        `${name}(${JSON.stringify(prediction)}, ${JSON.stringify(ground_truth)})`,
      );
    }
  });
}

Deno.test("every golden score is checked", () => {
  assertEquals([...new Set(cases.map(({ metric }) => metric))].sort(), Object.keys(metrics).sort());
});

Deno.test("ROUGE-L joins what the sentences have in common, worked by hand", () => {
  const f1 = (precision: number, recall: number) =>
    2 * (precision * recall / (precision + recall + 1e-8));
  // "w1 w2" of the first sentence and "w1 w3 w5" of the second: four of five words, of nine replied.
  assertEquals(rougeL("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5"), f1(4 / 8, 4 / 5));
  // A word that occurs twice counts once.
  assertEquals(rougeL("a a a b", "a b"), f1(1, 1));
  // The order counts: "b a" against "a b" has one of two words.
  assertEquals(rougeL("b a", "a b"), f1(1 / 2, 1 / 2));
  // Only full stops end a sentence, those of numbers too.
  assertEquals(rougeL("3.5 km", "3 km. 5 m"), f1(3 / 3, 3 / 4));
  assertEquals(rougeL("", "a"), 0);
  assertEquals(rougeL("...", "a"), 0);
});
