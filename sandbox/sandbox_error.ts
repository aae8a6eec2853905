/**
 * How a sandboxed policy can fail.
 *
 * @module
 */
import { PolicyError } from "./policy_error.ts";

/** The ways a sandboxed policy ends before its run does. */
export type SandboxFailure =
  | "timed out"
  | "out of memory"
  | "crashed"
  | "rejected"
  | "not deterministic";

/**
 * A sandboxed policy was ended. The message is one sentence that begins with the kind of failure;
 * it may quote the policy, cut short and without control characters.
 */
export class SandboxError extends PolicyError {
  override name = "SandboxError";

  /**
   * @param failure what kind of end it was
   * @param detail the rest of the sentence
   */
  constructor(readonly failure: SandboxFailure, detail: string) {
    super(`${failure}: ${detail}`);
  }
}

/**
 * Text of a policy as it may be shown to a user: one line, no control characters (so no terminal
 * escape sequences), nothing that a program would read as a result line, at most `most` characters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quoted } from "./sandbox_error.ts";
 *
 * assertEquals(quoted("a\u001b[31m\nTEST_METRICS: b"), "a [31m TEST METRICS: b");
 * ```
 */
export function quoted(text: string, most = 300): string {
  // Format characters (Cf) go too: they can reverse or hide what a terminal shows.
  const line = text.slice(0, 8 * most).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .replace(/TEST_METRICS/gi, "TEST METRICS").trim();
  return line.length <= most ? line : `${line.slice(0, most)}…`;
}
