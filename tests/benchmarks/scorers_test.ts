import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { finalAnswer, finalAnswerMatch } from "../../benchmarks/scorers/final_answer.ts";
import { keyRecall } from "../../benchmarks/scorers/key_recall.ts";
import { matchingRatio } from "../../benchmarks/scorers/matching_ratio.ts";
import { normalizedWords, qaF1 } from "../../benchmarks/scorers/qa_f1.ts";

Deno.test("the last conclusion counts, with or without parentheses", () => {
  const replies: [string, string | undefined][] = [
    ["The answer is 51.", "51"],
    ["The answer is 51", "51"],
    ["The answer is -3.", "-3"],
    ["The answer is (C).", "C"],
    ["The answer is C", "C"],
    ["the answer is: (b)", "B"],
    ["The answer is 4. No, the answer is 5.", "5"],
    ["The answer is 4. The answer is", "4"],
    ["The answer is about 5.", undefined],
    ["The answer is 5.5.", undefined],
    ["12 * 3 = 36.", undefined],
    ["", undefined],
  ];
  for (const [reply, expected] of replies) assertEquals(finalAnswer(reply), expected, reply);
  assertEquals(finalAnswerMatch("The answer is (a).", "A"), 1);
  assertEquals(finalAnswerMatch("no conclusion", "A"), 0);
});

Deno.test("a key counts only as a whole number of the reply", () => {
  assertEquals(keyRecall("It is 12, or 52279", "52279"), 1);
  assertEquals(keyRecall("052279", "52279"), 0);
  assertEquals(keyRecall("none", "52279"), 0);
});

Deno.test("words know letters outside ASCII and what Python takes for white space", () => {
  assertEquals(normalizedWords("The é-a\u001dan aé U.S. a"), ["éa", "aé", "us"]);
});

Deno.test("the ratio of long texts leaves out popular characters, as difflib does", () => {
  // difflib.SequenceMatcher(None, "ba" * 10, "ab" * 100 + "c").ratio() and its mirror image.
  assertEquals(matchingRatio("ba".repeat(10), "ab".repeat(100) + "c"), 0);
  assertAlmostEquals(matchingRatio("ab".repeat(100) + "c", "ba".repeat(10)), 40 / 221, 1e-12);
});

Deno.test("a score is 1 for the answer itself and lies within 0 and 1", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "7", " ", ".", "é") });
  fc.assert(fc.property(text, text, (a, b) => {
    for (const score of [qaF1(a, b), matchingRatio(a, b), keyRecall(a, b)]) {
      assertEquals(score >= 0 && score <= 1, true);
    }
    assertEquals(matchingRatio(a, a), 1);
    if (normalizedWords(a).length > 0) assertAlmostEquals(qaF1(a, a), 1);
  }));
});
