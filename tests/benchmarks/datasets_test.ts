import { assertEquals, assertThrows } from "@std/assert";
import {
  checkAnswers,
  type Dataset,
  type DatasetName,
  datasets,
  prepareScores,
  renderPrompt,
  scoreReply,
} from "../../benchmarks/datasets.ts";
import fc from "fast-check";
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

Deno.test("an answer that no reply can match is refused", () => {
  const refused: [Example, string][] = [
    [example("nope"), 'unknown dataset "nope"; there are templates for hotpotqa, '],
    [example("__proto__"), "unknown dataset"],
    [example("passage_retrieval_en"), 'the answer "7"; it must read "Paragraph N"'],
    [example("trec"), '"all_classes" must list the labels'],
    [
      example("trec", { answers: ["Human being"], allClasses: ["Human"] }),
      'the answer "Human being"; it must be one of the labels',
    ],
    [example("trec", { answers: ["a\nb"], allClasses: ["a\nb"] }), "on one line"],
    [example("stem_open", { answers: ["6+4=10"] }), "must be a number or one letter"],
    [example("stem_open", { answers: ["1/0"] }), "must be a number or one letter"],
    [example("stem_mc", { answers: ["AB"] }), "must be a number or one letter"],
    [
      example("stem_mc", { answers: ["E"], allClasses: ["A", "(B)"] }),
      'the answer "E" is none of the choices A, B',
    ],
    [example("passage_count", { answers: ["three"] }), "must be a number in digits"],
    [example("passage_count", { answers: ["1/2"] }), "must be a number in digits"],
    [example("hotpotqa", { answers: ["The"] }), "a word that is no article"],
    [example("hotpotqa", { answers: ["teal", "?!"] }), 'the answer "?!"'],
    [example("triviaqa", { answers: ["?\nteal"] }), "in its first line"],
    [example("passkey", { answers: ["—"] }), "must have a letter or a digit"],
    [example("lcc", { answers: ["\n"] }), "must be a line of code"],
    ...Object.keys(datasets).map((name): [Example, string] => [
      example(name, { answers: [" "], allClasses: [" "] }),
      name === "stem_mc" ? "stem" : 'no reply can match the answer " "',
    ]),
  ];
  for (const [wrong, message] of refused) {
    assertThrows(() => checkAnswers(wrong, "stem"), BenchmarkError, message);
  }
});

Deno.test("every scorer gives something to a reply that quotes an answer it accepts", () => {
  const part = fc.constantFrom(
    ...["7", "12", "0", "1,000", ".", ",", "-", "/", "%", "$", " ", "\n", "(", ")", "#", "//", "`"],
    ...["a", "B", "the", "é", "Σ", "北", "km", "\\boxed{", "}", "Paragraph ", "####", "answer is"],
  );
  const answer = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("")),
    fc.string({ unit: "grapheme" }),
    fc.double({ noNaN: true }).map(String),
    fc.bigInt().map((n) => n.toLocaleString("en-US")),
    fc.uuid(),
  );
  const quotes: readonly ((answer: string) => string)[] = [
    (a) => a,
    (a) => `The answer is ${a.replace(/^\n+/, "")}`,
  ];
  for (const [name, { answersMust }] of Object.entries<Dataset>(datasets)) {
    // Of summaries and of words in Chinese it is left open.
    if (answersMust === undefined) continue;
    const code = name === "lcc" || name === "repobench-p";
    let accepted = 0;
    const given = name.startsWith("passage_retrieval")
      ? answer.map((n) => `${name.endsWith("_en") ? "Paragraph " : "段落"}${n}`)
      : answer;
    fc.assert(
      fc.property(given, (text) => {
        const asked = example(name, {
          answers: [text],
          allClasses: name === "trec" || name === "lsht" ? ["the", text, "B"] : null,
        });
        try {
          checkAnswers(asked, name);
        } catch (error) {
          if (error instanceof BenchmarkError) return;
          throw error;
        }
        accepted++;
        // What stands before a line of code makes it another line.
        for (const quote of code ? quotes.slice(0, 1) : quotes) {
          assertEquals(scoreReply(asked, quote(text)) > 0, true, `${name}: ${quote(text)}`);
        }
      }),
      { seed: 7, numRuns: 3000 },
    );
    assertEquals(accepted > 100, true, `${name}: ${accepted}`);
  }
});
