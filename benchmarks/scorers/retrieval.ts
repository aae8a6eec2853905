/** Which paragraph, and how many (LongBench, metrics.py, `retrieval_score` and `count_score`). */
import { numbersIn, readNumber, shareOf } from "./numbers.ts";

/** The number in an answer like "Paragraph 12", or undefined. */
function paragraphNumber(answer: string): string | undefined {
  const [behind] = /(?<=Paragraph )\p{Nd}.*/su.exec(answer) ?? [];
  return behind === undefined ? undefined : numbersIn(behind)[0];
}

/** The number in an answer like "段落12", or undefined. */
function chineseParagraphNumber(answer: string): string | undefined {
  return /段落(\p{Nd}+)/u.exec(answer)?.[1];
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
  return named(paragraphNumber(answer), reply);
}

/** The same for an answer like "段落12" (`retrieval_zh_score`). */
export function chineseRetrieval(reply: string, answer: string): number {
  return named(chineseParagraphNumber(answer), reply);
}

function named(wanted: string | undefined, reply: string): number {
  return wanted === undefined ? 0 : shareOf(wanted, numbersIn(reply));
}

/** Share of the numbers in `reply` that are `answer`, 0..1. */
export function count(reply: string, answer: string): number {
  return shareOf(readNumber(answer) ?? answer, numbersIn(reply));
}
