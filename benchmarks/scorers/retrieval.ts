/** Which paragraph, and how many (LongBench, metrics.py, `retrieval_score` and `count_score`). */
import { numbersIn, readNumber, shareOf } from "./numbers.ts";

/** The number in an answer like "Paragraph 12", or undefined. */
function paragraphNumber(answer: string): string | undefined {
  const [behind] = /(?<=Paragraph )\p{Nd}.*/su.exec(answer) ?? [];
  return behind === undefined ? undefined : numbersIn(behind)[0];
}

/**
 * Share of the numbers in `reply` that are the paragraph of `answer`, 0..1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { retrieval } from "./retrieval.ts";
 *
 * assertEquals(retrieval("Paragraph 3 or 4", "Paragraph 3"), 0.5);
 * ```
 */
export function retrieval(reply: string, answer: string): number {
  const wanted = paragraphNumber(answer);
  return wanted === undefined ? 0 : shareOf(wanted, numbersIn(reply));
}

/** Share of the numbers in `reply` that are `answer`, 0..1. */
export function count(reply: string, answer: string): number {
  return shareOf(readNumber(answer) ?? answer, numbersIn(reply));
}
