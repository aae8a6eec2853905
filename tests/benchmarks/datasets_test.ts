import { assertEquals, assertThrows } from "@std/assert";
import { type DatasetName, datasets, renderPrompt, scoreReply } from "../../benchmarks/datasets.ts";
import { BenchmarkError, type Example } from "../../benchmarks/example.ts";
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

Deno.test("every template holds context and input once", () => {
  for (const [name, { template }] of Object.entries(datasets)) {
    assertEquals(template.match(/\{(context|input)\}/g), ["{context}", "{input}"], name);
  }
});

Deno.test("braces and dollar signs in an example stay text", () => {
  const tricky = example("passkey", { context: "{input} $& $1", input: "{context}" });
  assertEquals(renderPrompt(tricky).endsWith("{input} $& $1\n\n{context}"), true);
});

Deno.test("each dataset has its scorer", () => {
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
  ];
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
