import { numbersIn } from "./numbers.ts";

/**
 * 1 if the key `answer` is among the numbers of `reply`, else 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { keyRecall } from "./key_recall.ts";
 *
 * assertEquals(keyRecall("The pass key is 52279.", "52279"), 1);
 * assertEquals(keyRecall("The pass key is 522791.", "52279"), 0);
 * ```
 */
export function keyRecall(reply: string, answer: string): number {
  return numbersIn(reply).includes(answer) ? 1 : 0;
}
