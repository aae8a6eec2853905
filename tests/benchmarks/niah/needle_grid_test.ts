/** Needles: where they lie, what a prompt holds, and that everyone gets the same. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BenchmarkError } from "../../../benchmarks/benchmark_error.ts";
import { Draw } from "../../../benchmarks/niah/draw.ts";
import { sentencesOf, TextHaystack } from "../../../benchmarks/niah/haystack.ts";
import { type GridMaker, needlePrompt } from "../../../benchmarks/niah/needle_grid.ts";
import {
  type NeedleKind,
  needleKindNames,
  needleKinds,
} from "../../../benchmarks/niah/needle_kinds.ts";

/** A word and the space before it are a token. */
const counter = { encode: (text: string) => (text.match(/\s*\S+|\s+$/g) ?? []).map(() => 0) };

const SENTENCES = Array.from({ length: 40 }, (_, i) => `Sentence ${i} has a few words more.`);
const sentences = sentencesOf(SENTENCES.join(" "));

const maker: GridMaker = {
  counter,
  turn: (message) => `<user> ${message} <end>`,
  haystack: new TextHaystack(sentences, counter),
  samples: 2,
  maxNewTokens: 32,
};

Deno.test("sentences and the space before them are the text again", () => {
  assertEquals(sentences.length, SENTENCES.length);
  fc.assert(fc.property(
    fc.array(fc.constantFrom("One.", "two", " ", "\n", "\n\n", "Is it?", "3.5", '"Yes!"', "。"), {
      maxLength: 30,
    }),
    (parts) => {
      const text = parts.join("");
      const joined = sentencesOf(text).map(([before, sentence]) => before + sentence).join("");
      const blank = (own: string) => own.trim().replaceAll(/\s*\n\s*\n\s*/g, "\n\n");
      assertEquals(blank(joined), blank(text));
    },
  ));
});

Deno.test("a prompt is as long as its length allows, and every needle stands at a sentence's end", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...needleKindNames),
      fc.integer({ min: 250, max: 1200 }),
      fc.integer({ min: 0, max: 20 }),
      fc.nat(1),
      (kind, length, step, sample) => {
        const place = { kind, length, depth: step / 20, sample };
        const { prompt, answers } = needlePrompt(place, maker);
        const tokens = counter.encode(maker.turn(prompt)).length;
        assert(tokens <= length - maker.maxNewTokens);
        // A sentence has 7 words; a record 2.
        assert(tokens > length - maker.maxNewTokens - 10);
        for (const answer of answers) assert(prompt.includes(answer));
        const { wanted } = (needleKinds[kind] as NeedleKind).needles(
          new Draw(`niah ${kind} ${sample}`),
        );
        for (const needle of wanted) {
          const at = prompt.indexOf(needle);
          assertEquals(prompt.indexOf(needle, at + 1), -1);
          assert(/(^|[.!?"\n])\s*$/.test(prompt.slice(0, at)), prompt.slice(at - 20, at));
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("the position of a needle is its depth in tokens, to half a sentence", () => {
  for (const length of [300, 900]) {
    const at = (depth: number) => {
      const { prompt } = needlePrompt({ kind: "single", length, depth, sample: 0 }, maker);
      return counter.encode(prompt.slice(0, prompt.indexOf("The special number"))).length;
    };
    const [start, end] = [at(0), at(1)];
    for (const depth of [0.25, 0.5, 0.8]) {
      assert(Math.abs(at(depth) - (start + depth * (end - start))) <= 3.5);
    }
  }
});

Deno.test("cells differ in length and depth alone, samples in everything, and nothing between runs", () => {
  const prompt = (depth: number, sample: number, length = 300) =>
    needlePrompt({ kind: "multikey", length, depth, sample }, maker);
  assertEquals(prompt(0.5, 0).prompt, prompt(0.5, 0).prompt);
  assertEquals(prompt(0, 0).answers, prompt(1, 0, 600).answers);
  assert(prompt(0, 0).answers[0] !== prompt(0, 1).answers[0]);
  assert(prompt(1, 0, 180).prompt.includes(SENTENCES[0]!));
  assert(!prompt(1, 1, 180).prompt.includes(SENTENCES[0]!));
  // One that is asked for among three others.
  assertEquals(prompt(0.5, 0).prompt.match(/The special number of \w+ is \d{5}\./g)!.length, 4);
});

Deno.test("recall is the share of what was hidden that a reply says", () => {
  const { answers, score } = needlePrompt(
    { kind: "multivalue", length: 400, depth: 0, sample: 0 },
    maker,
  );
  assertEquals([score("none"), score(answers.slice(1).join(", ")), score(answers.join(" "))], [
    0,
    0.75,
    1,
  ]);
  const uuid = needlePrompt({ kind: "uuid", length: 400, depth: 0.5, sample: 0 }, maker);
  assertEquals(
    [uuid.score(uuid.answers[0]!.toUpperCase()), uuid.score(uuid.answers[0]!.slice(1))],
    [1, 0],
  );
});

Deno.test("a length without room, and a kind without a haystack, are refused", () => {
  assertThrows(
    () => needlePrompt({ kind: "single", length: 60, depth: 0, sample: 0 }, maker),
    BenchmarkError,
    "Needles of kind single do not fit 60 tokens",
  );
  const { haystack: _, ...bare } = maker;
  assertThrows(
    () => needlePrompt({ kind: "single", length: 600, depth: 0, sample: 0 }, bare),
    BenchmarkError,
    "give --haystack",
  );
  const { prompt } = needlePrompt({ kind: "uuid", length: 600, depth: 0, sample: 0 }, bare);
  assert(counter.encode(prompt).length > 500);
});
