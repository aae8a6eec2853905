/** Whether a reply names the key that was hidden: a number, a uuid, or words. */
import { fractionsIn, isNumber, numbersIn, readNumber } from "./numbers.ts";

/** What is no part of a word. */
const BETWEEN = /[^\p{L}\p{M}\p{N}]+/gu;

/** A letter of a script that puts nothing between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu;

/** The words of a text, one space between them, whatever their case and what stood between them. */
export function plainWords(text: string): string {
  return text.normalize("NFKC").toLowerCase().replaceAll("ς", "σ").replaceAll(UNSPACED, " $& ")
    .replaceAll(BETWEEN, " ").trim();
}

/**
 * 1 if the key `answer` is in `reply`, else 0: a number among its numbers, anything else as whole
 * words, one behind the other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { keyRecall } from "./key_recall.ts";
 *
 * assertEquals(keyRecall("The pass key is 52279.", "52,279"), 1);
 * assertEquals(keyRecall("The pass key is 522791.", "52279"), 0);
 * assertEquals(keyRecall("Drink a coffee, by the river!", "a coffee by the river"), 1);
 * ```
 */
export function keyRecall(reply: string, answer: string): number {
  const wanted = readNumber(answer);
  if (wanted === undefined) {
    const words = plainWords(answer);
    return words !== "" && ` ${plainWords(reply)} `.includes(` ${words} `) ? 1 : 0;
  }
  const found = (number: string) => isNumber(number, wanted);
  return numbersIn(reply).some(found) || fractionsIn(reply).some(found) ? 1 : 0;
}
