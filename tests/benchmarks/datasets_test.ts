import { assertEquals, assertThrows } from "@std/assert";
import {
  type DatasetName,
  datasets,
  prepareScores,
  renderPrompt,
  scoreReply,
} from "../../benchmarks/datasets.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import type { Example } from "../../benchmarks/example.ts";
import prompts from "../../benchmarks/prompts.json" with { type: "json" };

function example(dataset: string, fields: Partial<Example> = {}): Example {
  return {
    id: "x-0",
    dataset,
    input: "Q?",
    context: "C",
    answers: ["7"],
    length: 2,
    language: "en",
    allClasses: null,
    ...fields,
  };
}

Deno.test("every embedded dataset renders the template of prompts.json", () => {
  for (const [name, template] of Object.entries(prompts.templates)) {
    const answers = name === "passage_retrieval_en" ? ["Paragraph 7"] : ["7"];
    assertEquals(
      renderPrompt(example(name, { answers })),
      template.split("{context}").join("C").split("{input}").join("Q?"),
    );
  }
});

Deno.test("every template holds context and input once; a whole summary is asked for without one", () => {
  const whole = ["gov_report", "multi_news", "vcsum"];
  for (const [name, { template }] of Object.entries(datasets)) {
    const fields = whole.includes(name) ? ["{context}"] : ["{context}", "{input}"];
    assertEquals(template.match(/\{(context|input)\}/g), fields, name);
  }
});

Deno.test("braces and dollar signs in an example stay text", () => {
  const tricky = example("passkey", { context: "{input} $& $1", input: "{context}" });
  assertEquals(renderPrompt(tricky).endsWith("{input} $& $1\n\n{context}"), true);
});

Deno.test("each dataset has its scorer", async () => {
  const cases: [DatasetName, Partial<Example>, reply: string, score: number][] = [
    ["hotpotqa", { answers: ["teal"] }, "It is teal", 0.5],
    ["multifieldqa_en", { answers: ["teal"] }, "the teal.", 1],
    ["passage_retrieval_en", { answers: ["Paragraph 7"] }, "Paragraph 7 or 8", 0.5],
    ["passkey", {}, "8 or 7", 1],
    ["niah_multikey", {}, "77", 0],
    ["line_retrieval", {}, "The register content is 7.", 1],
    ["stem_open", {}, "7. The answer is 8.", 0],
    ["stem_mc", { answers: ["B"], allClasses: ["A", "B"] }, "The answer is (B).", 1],
    ["2wikimqa", { answers: ["teal"] }, "teal", 1],
    ["musique", { answers: ["teal"] }, "red", 0],
    ["narrativeqa", { answers: ["teal"] }, "teal", 1],
    ["qasper", { answers: ["teal"] }, "teal", 1],
    ["triviaqa", { answers: ["teal"] }, "\nteal\nred", 1],
    ["passage_count", {}, "7 of 8", 0.5],
    ["trec", { answers: ["City"], allClasses: ["City", "Person"] }, "City\nPerson", 1],
    ["lcc", { answers: ["x = 1"] }, "# a\nx = 1\ny", 1],
    ["repobench-p", { answers: ["x = 1"] }, "", 0],
    ["gov_report", { answers: ["a b"] }, "b", 2 * (0.5 / (1.5 + 1e-8))],
    ["qmsum", { answers: ["a b"] }, "", 0],
    ["multi_news", { answers: ["a b"] }, "c", 0],
    ["samsum", { answers: ["a"] }, "c\na", 0],
    ["multifieldqa_zh", { answers: ["北京"] }, "北京！", 1],
    ["dureader", { answers: ["北京"] }, "上海", 0],
    ["vcsum", { answers: ["北京"] }, "上海", 0],
    ["lsht", { answers: ["财经"], allClasses: ["财经", "体育"] }, "财经\n体育", 1],
    ["passage_retrieval_zh", { answers: ["段落7"] }, "段落7或8", 0.5],
  ];
  await prepareScores(cases.map(([name]) => name));
  for (const [name, fields, reply, score] of cases) {
    assertEquals(scoreReply(example(name, fields), reply), score, name);
  }
  assertEquals(cases.map(([name]) => name).sort(), Object.keys(datasets).sort());
});

Deno.test("the best of several answers counts", () => {
  assertEquals(scoreReply(example("hotpotqa", { answers: ["red", "teal", "blue"] }), "teal"), 1);
});

Deno.test("an example that could never be scored is refused", () => {
  const refused: [Example, string][] = [
    [example("nope"), 'unknown dataset "nope"; there are templates for hotpotqa, '],
    [example("__proto__"), "unknown dataset"],
    [example("passage_retrieval_en"), 'the answer "7" must read "Paragraph N"'],
    [example("trec"), '"all_classes" must list the labels'],
  ];
  for (const [wrong, message] of refused) {
    assertThrows(() => renderPrompt(wrong), BenchmarkError, message);
  }
});
