/** Likeness of a line of code (LongBench, metrics.py, `code_sim_score`). */
import { matchingRatio } from "./matching_ratio.ts";

/** What marks a line as a comment or a code fence. */
const MARK = /`|#|\/\//;

/**
 * The first line that is neither a comment nor a code fence; empty if there is none. Where the answer
 * itself has such a mark, it may then be a line that has: the official scorer has nothing left there.
 */
export function firstLineOfCode(reply: string, answer: string): string {
  const lines = reply.replace(/^\n+/, "").split("\n");
  const code = lines.find((line) => !MARK.test(line)) ?? "";
  return code !== "" || !MARK.test(answer) ? code : lines.find((line) => line !== "") ?? "";
}

/** Rounds to an integer, halves to the even one, as Python does. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Likeness of the first line of code in `reply` to `answer`, 0..1 in steps of 0.01 (fuzzywuzzy,
 * fuzz.py, `ratio`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { codeSimilarity } from "./code_similarity.ts";
 *
 * assertEquals(codeSimilarity("# adds one\nreturn x + 1", "return x + 1"), 1);
 * ```
 */
export function codeSimilarity(reply: string, answer: string): number {
  const line = firstLineOfCode(reply, answer);
  if (line === answer) return 1;
  if (line === "" || answer === "") return 0;
  return roundHalfEven(100 * matchingRatio(line, answer)) / 100;
}
