/** What a worked solution ends with. */

/** "answer is", then an integer or one letter, in parentheses or not, and nothing glued to it. */
const CONCLUSION = /answer is:?\s*\(?\s*(-?\d+|[a-z])(?!\w|[.,]\d)/gi;

/** The letter (upper case) or integer after the last "answer is" of a text, or undefined. */
export function finalAnswer(reply: string): string | undefined {
  return [...reply.matchAll(CONCLUSION)].at(-1)?.[1]?.toUpperCase();
}

/**
 * 1 if the conclusion of `reply` is `answer`, else 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { finalAnswerMatch } from "./final_answer.ts";
 *
 * assertEquals(finalAnswerMatch("12 * 3 = 36. 36 + 15 = 51. The answer is 51.", "51"), 1);
 * assertEquals(finalAnswerMatch("E = P * t = 7 * 5 = 35. The answer is (B).", "A"), 0);
 * ```
 */
export function finalAnswerMatch(reply: string, answer: string): number {
  return finalAnswer(reply) === answer.trim().toUpperCase() ? 1 : 0;
}
