/** Which of several choices a reply takes. */

/** Letters of choices, in order. */
export const LETTERS = "ABCDEFGHIJ";

/**
 * The letter that a reply begins with or concludes with, alone or in parentheses; undefined where
 * there is none.
 */
function chosenLetter(reply: string): string | undefined {
  const first = /^[\s*]*\(?([A-J])(?=[.):,*]|\s*(?:\n|$))/.exec(reply)?.[1];
  return first ??
    [...reply.matchAll(
      /\b(?:answer|choice|option)(?: is)?:?[\s*]*\(?([A-J])(?=[.):,*]|\s*(?:\n|$))/gi,
    )]
      .at(-1)?.[1]?.toUpperCase();
}

/**
 * 1 if the reply takes the choice whose letter is `answer`, else 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { choiceMatch } from "./choice.ts";
 *
 * assertEquals(choiceMatch(" B. Paris", "B"), 1);
 * assertEquals(choiceMatch("The answer is (C).", "C"), 1);
 * assertEquals(choiceMatch("A lot of people say so", "A"), 0);
 * ```
 */
export function choiceMatch(reply: string, answer: string): number {
  return Number(chosenLetter(reply) === answer);
}

/**
 * 1 if the reply is the letter and nothing else but punctuation and blanks around it, else 0
 * (lm-evaluation-harness, lm_eval/tasks/mmlu/generative).
 */
export function letterAlone(reply: string, answer: string): number {
  return Number(reply.trim().replace(/[!-/:-@[-`{-~]/g, "").toLowerCase() === answer.toLowerCase());
}
