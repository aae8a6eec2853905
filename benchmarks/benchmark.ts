/**
 * What a benchmark is: where its rows come from, how one is asked, how long a reply may be, what ends
 * it and how it is scored.
 *
 * @module
 */
import { BenchmarkError } from "./benchmark_error.ts";

/**
 * One row of a data set, as its file has it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Row } from "@kvreplay/kvreplay/benchmarks";
 *
 * const question = (row: Row) => `Question: ${row.question}`;
 * assertEquals(question({ question: "Why?", answer: "So." }), "Question: Why?");
 * ```
 */
export type Row = Readonly<Record<string, unknown>>;

/** A file of a data set on the hub. */
export interface RowSource {
  /** `OWNER/NAME` of the data set. */
  readonly repo: string;
  /** Path of the file in it: JSON lines, Parquet, or a ZIP archive of such. */
  readonly file: string;
  /** Path in the archive. */
  readonly inside?: string;
  /** Names that the same file has elsewhere, looked for in a folder of the user's. */
  readonly elsewhere?: readonly string[];
}

/** What a prompt is made with, beside its row. */
export interface Given {
  /** Rows to work before the question. */
  readonly shots: readonly Row[];
  /** Wording of the benchmark's authors, where the user has it. */
  readonly wording?: string;
}

/** One benchmark. */
export interface Benchmark {
  /** What it measures, for tables and help texts. */
  readonly title: string;
  /** Where its rows are; absent for one that is only run on files of the user's. */
  readonly source?: RowSource;
  /** Worked examples before the question: how many at most and by default, and where they are. */
  readonly shots?: { readonly source: RowSource; readonly most: number; readonly usual: number };
  /** The user's message. */
  prompt(row: Row, given: Given): string;
  /** Right answers, at least one. */
  answers(row: Row): readonly string[];
  /** Longest reply, in tokens. */
  readonly maxNewTokens: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Score of a reply, 0..1. */
  score(reply: string, answers: readonly string[], row: Row): number;
  /** Other scores of the same reply by their names, reported beside the first. */
  readonly beside?: Readonly<
    Record<string, (reply: string, answers: readonly string[], row: Row) => number>
  >;
  /** What ends a reply beside an end token; it and what follows are no part of it. */
  readonly stop?: RegExp;
  /** Absent: the model's chat turn goes around the message, where it has one. */
  readonly chat?: false;
  /** Which part of a message that is too long is left out; absent: such an example is refused. */
  readonly truncate?: "middle";
  /** Name of a row in results; absent for its number. */
  id?(row: Row): string;
  /** What a row is counted with beside all: a length, a subject. */
  group?(row: Row): string;
  /** Score of the reference, 0..100, up to which it says nothing about a policy: that of guessing. */
  readonly floor?: number;
  /** Loads what scores need. */
  prepare?(): Promise<void>;
}

/** One question of a benchmark, in text. */
export interface Task {
  readonly id: string;
  /** Name of the set. */
  readonly dataset: string;
  readonly prompt: string;
  readonly chat: boolean;
  readonly stop?: RegExp;
  readonly truncate?: "middle";
  readonly group?: string;
  readonly answers: readonly string[];
  score(reply: string): number;
  /** Other scores by name, 0..1 each. */
  scores(reply: string): Readonly<Record<string, number>>;
}

/** One whose scores may have to be waited for. */
export interface WaitedTask extends Omit<Task, "score" | "scores"> {
  score(reply: string): number | Promise<number>;
  scores(
    reply: string,
  ): Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
}

/**
 * The questions of rows.
 *
 * @param set name of the set, from which names of rows are made
 * @param where name of the file, the start of every error message
 * @throws {BenchmarkError} for a row that lacks a field or has one of a wrong type
 */
export async function tasksOf(
  benchmark: Benchmark,
  set: string,
  rows: readonly Row[],
  given: Given,
  where: string,
): Promise<Task[]> {
  await benchmark.prepare?.();
  return rows.map((row, index) => {
    try {
      return taskOf(benchmark, set, row, index, given);
    } catch (error) {
      if (!(error instanceof BenchmarkError)) throw error;
      throw new BenchmarkError(`${where}, row ${index + 1}: ${error.message}`);
    }
  });
}

function taskOf(benchmark: Benchmark, set: string, row: Row, index: number, given: Given): Task {
  const { stop, truncate, beside = {} } = benchmark;
  const group = benchmark.group?.(row);
  const answers = benchmark.answers(row);
  if (answers.length === 0) {
    throw new BenchmarkError(`The row has ${answers.length} answers; expected at least one`);
  }
  return {
    id: benchmark.id?.(row) ?? `${set}-${index}`,
    dataset: set,
    prompt: benchmark.prompt(row, given),
    chat: benchmark.chat !== false,
    ...(stop === undefined ? {} : { stop }),
    ...(truncate === undefined ? {} : { truncate }),
    ...(group === undefined ? {} : { group }),
    answers,
    score: (reply) => benchmark.score(reply, answers, row),
    scores: (reply) =>
      Object.fromEntries(
        Object.entries(beside).map(([name, score]) => [name, score(reply, answers, row)]),
      ),
  };
}

/** The best score over the answers, 0..1. */
export function best(
  score: (reply: string, answer: string) => number,
): (reply: string, answers: readonly string[]) => number {
  return (reply, answers) => Math.max(0, ...answers.map((answer) => score(reply, answer)));
}

/** The first line of a reply that is not empty at its start (LongBench, eval.py, `scorer`). */
export function firstLine(reply: string): string {
  return reply.replace(/^\n+/, "").split("\n")[0]!;
}
