/**
 * What a file of examples may hold, so that one which is no such file, or has no end, is refused
 * before there is any work.
 *
 * @module
 */

/**
 * Limits of a file of examples.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { BenchmarkError, type DataLimits, loadDataFile } from "@kvreplay/kvreplay/benchmarks";
 *
 * const limits: Partial<DataLimits> = { lineBytes: 8 };
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(path, '{"input": "What is the pass key?"}');
 * await assertRejects(() => loadDataFile(path, limits), BenchmarkError, "more than 8 bytes");
 * await Deno.remove(path);
 * ```
 */
export interface DataLimits {
  /** Bytes of one line; no more of it are read. Default 16 MiB. */
  readonly lineBytes: number;
  /** Right answers that an example may have: every reply is scored against each. Default 1,000. */
  readonly answers: number;
}

/** The limits that hold unless others are given. */
export const DEFAULT_DATA_LIMITS: DataLimits = { lineBytes: 16 * 2 ** 20, answers: 1000 };

/** A line becomes one string, and V8 has none that is longer. */
export const MOST_LINE_BYTES = 2 ** 29 - 24;
