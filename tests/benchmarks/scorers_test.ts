import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { finalAnswer, finalAnswerMatch } from "../../benchmarks/scorers/final_answer.ts";
import { keyRecall } from "../../benchmarks/scorers/key_recall.ts";
import { fractionsIn, numbersIn, readNumber } from "../../benchmarks/scorers/numbers.ts";
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
    ["The answer is 5.5.", "11/2"],
    ["The answer is 1.2.3.", undefined],
    ["The answer is 5a.", undefined],
    ["The answer is **1,000**.", "1000"],
    ["The answer is $1,000.00.", "1000"],
    ["The answer is -$3.", "-3"],
    ["The answer is +3.", "3"],
    ["The answer is −3 °C.", "-3"],
    ["The answer is 12%.", "12"],
    ["The answer is 12km/h.", "12"],
    ["The answer is 12 apples, or more.", "12"],
    ["The answer is 3/4.", "3/4"],
    ["The answer is 0.75.", "3/4"],
    ["The answer is 1 1/2 cups.", "3/2"],
    ["The answer is 6/3.", "2"],
    ["The answer is 1/0.", undefined],
    ["The answer is 1/2/2020.", "1"],
    ["The answer is $\\frac{3}{4}$.", "3/4"],
    ["The answer is $\\boxed{1{,}000\\text{ m}}$.", "1000"],
    ["So \\boxed{\\text{(B)}}", "B"],
    ["1 + 1 = <<1+1=2>>2\n#### 2", "2"],
    ["1,000", "1000"],
    ["(c)", "C"],
    ["B. Paris", "B"],
    ["B.", "B"],
    ["12 golden rings", "12"],
    ["Because", undefined],
    ["I do not know", undefined],
    ["6+4=10", undefined],
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

Deno.test("a key that is a number is found however it is written", () => {
  const written = ["52279", "52,279", "52\u00a0279", "$52,279.00", "52279km", "104558/2", "-52279"];
  for (const reply of written) assertEquals(keyRecall(`It is ${reply}.`, "52,279"), 1, reply);
  for (const reply of ["52,2790", "52.279", "152,279", "52279.5", "52, 279"]) {
    assertEquals(keyRecall(`It is ${reply}.`, "52279"), 0, reply);
  }
  assertEquals(keyRecall("It is 5.", "-5"), 0);
  assertEquals(keyRecall("It is -5.", "-5"), 1);
  assertEquals(keyRecall("It is 7.", "007"), 0);
});

Deno.test("a key of words counts as whole words, one behind the other", () => {
  const uuid = "7f3c1a60-9b2d-4f18-8a55-2c9e01d4b7aa";
  const cases: [reply: string, key: string, score: number][] = [
    [`The uuid is ${uuid.toUpperCase()}.`, uuid, 1],
    [`The uuid is ${uuid}b.`, uuid, 0],
    ["Drink a  coffee, by the river!", "drink a coffee by the river", 1],
    ["by the river drink a coffee", "drink a coffee by the river", 0],
    ["a helpful-ravenous bird", "helpful-raven", 0],
    ["7 Elm Street", "7 Elm Street", 1],
    ["7", "7 Elm Street", 0],
    ["ΟΔΟΣ", "οδος", 1],
    ["答案是北京。", "北京", 1],
    ["10.0.0.1", "10.0.0.1", 1],
    ["anything", "!", 0],
  ];
  for (const [reply, key, score] of cases) assertEquals(keyRecall(reply, key), score, key);
});

Deno.test("a text is read as one number, or not at all", () => {
  const numbers: [string, string | undefined][] = [
    ["1,000", "1000"],
    ["1,00", undefined],
    ["1'000.50", "2001/2"],
    ["+5", "5"],
    ["-0", "0"],
    ["- 5", "-5"],
    ["€5", "5"],
    ["US$5", "5"],
    ["5 dollars", "5"],
    ["5 m/s²", "5"],
    [".5", "1/2"],
    ["007", "007"],
    ["１２", "１２"],
    ["5x", undefined],
    ["5 Elm", undefined],
    ["5-6", undefined],
    ["", undefined],
  ];
  for (const [text, value] of numbers) assertEquals(readNumber(text), value, text);
});

Deno.test("texts of megabytes are read to their end", () => {
  for (const part of ["1", "1,111", "(", "1/", "\\boxed{", "####", "answer is ", "\\frac{1}"]) {
    const text = part.repeat(2e6 / part.length);
    for (const read of [finalAnswer, readNumber, numbersIn, fractionsIn]) read(text);
    assertEquals(keyRecall(text, text) <= 1, true);
  }
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
