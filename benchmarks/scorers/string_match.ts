/** Answers that stand in a reply (NVIDIA/RULER, scripts/eval/synthetic/constants.py). */

const isIn = (reply: string, answer: string): boolean =>
  reply.toLowerCase().includes(answer.toLowerCase());

/**
 * Share of `answers` that stand somewhere in `reply`, whatever their case, 0..1 (`string_match_all`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shareFound } from "./string_match.ts";
 *
 * assertEquals(shareFound("They are 17 and 23.", ["17", "42"]), 0.5);
 * ```
 */
export function shareFound(reply: string, answers: readonly string[]): number {
  return answers.filter((answer) => isIn(reply, answer)).length / answers.length;
}

/** 1 if one of `answers` stands somewhere in `reply`, else 0 (`string_match_part`). */
export function anyFound(reply: string, answers: readonly string[]): number {
  return Number(answers.some((answer) => isIn(reply, answer)));
}
