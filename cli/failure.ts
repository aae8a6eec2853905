/**
 * What the user is told when a run fails, and with which exit code.
 *
 * @module
 */
import { InternalError, UserError } from "../errors.ts";
import { shownLine } from "../report/terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Exit codes: a failed run, and a wrong command line. */
export const EXIT = { failed: 1, usage: 2 } as const;

/** The text for stderr and the exit code of a failure. */
export function describeFailure(error: unknown): { text: string; exitCode: number } {
  if (error instanceof UsageError) {
    return { text: shownLine(`${error.message} (--help explains)`), exitCode: EXIT.usage };
  }
  if (error instanceof UserError) {
    return { text: shownLine(error.message), exitCode: EXIT.failed };
  }
  if (error instanceof Deno.errors.NotCapable) {
    return {
      text: `${error.message}: start it through its task, or give deno that permission`,
      exitCode: EXIT.failed,
    };
  }
  const report = "Internal error, please report it:";
  // Its sentence names what did not hold, and where; only what nobody foresaw needs a stack.
  if (error instanceof InternalError) {
    return { text: shownLine(`${report} ${error.message}`), exitCode: EXIT.failed };
  }
  const detail = error instanceof Error ? error.stack ?? error.message : String(error);
  return { text: `${report}\n${detail}`, exitCode: EXIT.failed };
}
