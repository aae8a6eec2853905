/**
 * What the user is told when a run fails, and with which exit code.
 *
 * @module
 */
import { Interrupted } from "./interrupt.ts";
import { UsageError } from "./usage_error.ts";

/** Exit codes: a failed run, and a wrong command line. */
export const EXIT = { failed: 1, usage: 2 } as const;

/**
 * Errors whose message is a sentence for the user, by name: their modules are loaded only by the
 * commands that need them.
 */
const SENTENCES: ReadonlySet<string> = new Set([
  "BenchmarkError",
  "CalibrationError",
  "EngineError",
  "MetricError",
  "ModelError",
  "OutputError",
  "PolicyError",
  "QuantizerError",
  "SandboxError",
]);

/** The text for stderr and the exit code of a failure. */
export function describeFailure(error: unknown): { text: string; exitCode: number } {
  if (error instanceof UsageError) {
    return { text: `${error.message} (--help explains)`, exitCode: EXIT.usage };
  }
  if (error instanceof Interrupted) return { text: error.message, exitCode: error.exitCode };
  if (error instanceof Deno.errors.NotCapable) {
    return {
      text: `${error.message}: start it through its task, or give deno that permission`,
      exitCode: EXIT.failed,
    };
  }
  if (error instanceof Error && SENTENCES.has(error.name)) {
    return { text: error.message, exitCode: EXIT.failed };
  }
  const detail = error instanceof Error ? error.stack ?? error.message : String(error);
  return { text: `internal error, please report it:\n${detail}`, exitCode: EXIT.failed };
}
