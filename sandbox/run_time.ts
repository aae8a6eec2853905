/**
 * How long a run has waited for a guest, all questions together.
 *
 * @module
 */
import type { SandboxLimits } from "./limits.ts";
import { SandboxError } from "./sandbox_error.ts";

/** What is left of a run's time. */
export class RunTime {
  #spentMs = 0;

  constructor(private readonly limits: Pick<SandboxLimits, "runMs">) {}

  /**
   * Asks a question within its own time and what is left of the run's.
   *
   * @param ms how long one question may take
   * @param ask puts it, and is told how long it may take now
   * @throws {SandboxError} `timed out` in the run's words when the run's time is what ended it
   */
  async within<V>(ms: number, ask: (ms: number) => Promise<V>): Promise<V> {
    const left = this.limits.runMs - this.#spentMs;
    if (left <= 0) throw this.#over();
    const start = performance.now();
    try {
      return await ask(Math.min(ms, left));
    } catch (error) {
      const late = error instanceof SandboxError && error.failure === "timed out";
      throw late && left < ms ? this.#over() : error;
    } finally {
      this.#spentMs += performance.now() - start;
    }
  }

  #over(): SandboxError {
    return new SandboxError(
      "timed out",
      `It took more than ${this.limits.runMs / 1000} s in one run`,
    );
  }
}
