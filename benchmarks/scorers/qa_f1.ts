/**
 * Overlap of words between a reply and an answer (LongBench, metrics.py, `qa_f1_score`, after
 * SQuAD's evaluation script).
 *
 * @module
 */

/** Python's `string.punctuation`. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** `\b(a|an|the)\b` with Python's notion of a word, which knows letters outside ASCII. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** What Python's `str.split()` splits at. */
// deno-lint-ignore no-control-regex -- the separators U+001C to U+001F are white space to Python
export const SPACES = /(?:[^\S\ufeff]|[\x1c-\x1f\x85])+/;

/** Words of a text: lower case, without punctuation and articles. */
export function normalizedWords(text: string): string[] {
  return text.toLowerCase().replace(PUNCTUATION, "").replace(ARTICLES, " ").split(SPACES)
    .filter((word) => word !== "");
}

/** Times that each word occurs. */
function counted(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/**
 * F1 of the words of `reply` against those of `answer`, 0..1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { qaF1 } from "./qa_f1.ts";
 *
 * assertEquals(qaF1("The town of Orson.", "orson"), 0.5);
 * ```
 */
export function qaF1(reply: string, answer: string): number {
  return wordF1(normalizedWords(reply), normalizedWords(answer));
}

/** F1 of words (LongBench, metrics.py, `f1_score`), 0..1. */
export function wordF1(got: readonly string[], want: readonly string[]): number {
  const wanted = counted(want);
  let same = 0;
  for (const [word, count] of counted(got)) same += Math.min(count, wanted.get(word) ?? 0);
  if (same === 0) return 0;
  const precision = same / got.length, recall = same / want.length;
  return 2 * precision * recall / (precision + recall);
}
