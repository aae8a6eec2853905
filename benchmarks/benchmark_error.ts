import { UserError } from "../errors.ts";

/**
 * A slice or data file that cannot be used; the message is one sentence for the user.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { BenchmarkError, loadDataFile } from "@kvreplay/kvreplay/benchmarks";
 *
 * await assertRejects(
 *   () => loadDataFile("no_such_file.jsonl"),
 *   BenchmarkError,
 *   "Cannot read no_such_file.jsonl: no such file",
 * );
 * ```
 */
export class BenchmarkError extends UserError {
  /** Tells it from other errors without its class. */
  override name = "BenchmarkError";
}
