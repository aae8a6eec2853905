/**
 * A benchmark of one's own, as a file exports it.
 *
 * @module
 */
import type { Row } from "./benchmark.ts";

/**
 * What a file for `kvreplay run --benchmark FILE` exports by default. It is asked in a contained process,
 * as a policy is: it has the language and nothing else, and may import types only.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { BenchmarkFile } from "@kvreplay/kvreplay/benchmarks";
 *
 * const sums = {
 *   rows: () => [[7, 5], [4, 6]].map(([a, b]) => ({ a, b })),
 *   prompt: ({ a, b }) => `What is ${a} plus ${b}?`,
 *   answers: ({ a, b }) => String(Number(a) + Number(b)),
 *   maxNewTokens: 16,
 *   metric: "last_number",
 *   score: (reply, [answer]) => Number(reply.match(/\d+/g)?.at(-1) === answer),
 *   stop: ["\n"],
 * } satisfies BenchmarkFile;
 * assertEquals(sums.score("7 + 5 = 12", ["12"]), 1);
 * ```
 */
export interface BenchmarkFile {
  /** Longest reply, in tokens, unless the user says otherwise. */
  readonly maxNewTokens: number;
  /**
   * Name of the metric. One of the project's (`qa_f1`, `rouge`, `contains`, `conclusion`, `flexible`,
   * `strict`, `choice`, `code_sim`) where there is no `score`.
   */
  readonly metric: string;
  /** Its rows; absent where they come from `--data`. */
  rows?(): readonly Row[];
  /** The user's message; `shots` are rows of `--shots-from`, as many as `--shots` says. */
  prompt(row: Row, given: { readonly shots: readonly Row[] }): string;
  /** Right answers, at least one. */
  answers(row: Row): string | readonly string[];
  /** Score of a reply, 0..1. */
  score?(reply: string, answers: readonly string[], row: Row): number;
  /** Other scores of the same reply by their names, 0..1 each, reported beside the first. */
  beside?(reply: string, answers: readonly string[], row: Row): Readonly<Record<string, number>>;
  /** Texts that end a reply beside an end token; they and what follows are no part of it. */
  readonly stop?: readonly string[];
  /** Absent: the model's chat turn goes around the message, where it has one. */
  readonly chat?: false;
  /** Which part of a message that is too long is left out; absent: such an example is refused. */
  readonly truncate?: "middle";
  /** Score of guessing, 0..100, up to which the reference says nothing about a policy. */
  readonly floor?: number;
  /** Name of a row in results; absent for its number. */
  id?(row: Row): string;
  /** What a row is counted with beside all: a length, a subject. */
  group?(row: Row): string;
}
