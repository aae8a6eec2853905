/** What a worked solution ends with. */
import { leadingNumber, readNumber, withoutTex } from "./numbers.ts";

/** What opens a conclusion: words, GSM8K's mark, or a box around it. */
const CONCLUSION = /answer is:?|####|\\boxed\s*(?=\{)/gi;

/** What may stand between the opening and what is concluded. */
const WRAPPING = /^[\s*_("“'‘[{]+/;

/** A letter, and nothing glued to it. */
const LETTER = /^([a-z])(?!\w|[.,]\d)/i;

/** The label of a choice that is the whole of a text, or stands before the choice itself. */
const LABEL = /^\(?([a-z])(?:[).:]*$|[).:]+\s)/i;

/** What a number is a number of: words without digits. */
const THINGS = /^(?:\s+[\p{L}/.-]+){1,3}$/u;

/** Characters behind an opening that are looked at. */
const LONGEST = 1000;

/**
 * The letter (upper case) or number that a text concludes with: what follows the last "answer is",
 * `####` or `\boxed`, or the whole of a text that has no such words; undefined when there is none.
 * Equal numbers are equal texts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { finalAnswer } from "./final_answer.ts";
 *
 * const solutions = ["6 + 4 = 10. The answer is $10.00.", "6+4=<<6+4=10>>10\n#### 10", "10 km"];
 * assertEquals(solutions.map(finalAnswer), ["10", "10", "10"]);
 * assertEquals(finalAnswer("The answer is (b)."), "B");
 * ```
 */
export function finalAnswer(text: string): string | undefined {
  const plain = withoutTex(text);
  const openings = [...plain.matchAll(CONCLUSION)];
  for (const { index, 0: { length } } of openings.toReversed()) {
    const behind = plain.slice(index + length, index + length + LONGEST).replace(WRAPPING, "");
    const concluded = leadingNumber(behind)?.value ?? LETTER.exec(behind)?.[1];
    if (concluded !== undefined) return known(concluded);
  }
  return openings.length > 0 || plain.length > LONGEST ? undefined : wholeAnswer(plain.trim());
}

function wholeAnswer(text: string): string | undefined {
  const leading = leadingNumber(text);
  const answer = readNumber(text) ?? LABEL.exec(text)?.[1] ??
    (leading !== undefined && THINGS.test(leading.rest) ? leading.value : undefined);
  return answer === undefined ? undefined : known(answer);
}

/** A letter whatever its case, a quantity whatever zeros stand before it. */
function known(answer: string): string {
  return answer.toUpperCase().replace(/^(-?)0+(?=\d)/, "$1");
}

/**
 * 1 if the conclusion of `reply` is that of `answer`, else 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { finalAnswerMatch } from "./final_answer.ts";
 *
 * assertEquals(finalAnswerMatch("12 * 3 = 36. 36 + 15 = 51. The answer is 51.", "51"), 1);
 * assertEquals(finalAnswerMatch("600 + 400 = 1000. The answer is 1000.", "1,000"), 1);
 * assertEquals(finalAnswerMatch("E = P * t = 7 * 5 = 35. The answer is (B).", "A"), 0);
 * ```
 */
export function finalAnswerMatch(reply: string, answer: string): number {
  const wanted = finalAnswer(answer);
  return wanted !== undefined && finalAnswer(reply) === wanted ? 1 : 0;
}
