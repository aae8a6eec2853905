/**
 * Trying again what may pass.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";

/** A failure that may pass; its sentence is for the user when it does not. */
export class TransientError extends UserError {
  /** How long the server asks to wait, in milliseconds. */
  waitMs: number | undefined;
}

/** Failures in a row until one is final. */
const MOST_FAILURES = 5;

/** The first pause, and the longest that is made without being asked for, in milliseconds. */
const PAUSE_MS = { first: 1000, longest: 8000 };

/** The longest pause that is made when a server asks for it. */
const LONGEST_ASKED_MS = 300_000;

/** Tries something again after pauses that grow. */
export class Retry {
  #failures = 0;

  /**
   * @param pause waits
   * @param notice takes a sentence that says what failed and when it is tried again
   */
  constructor(
    private readonly pause: (ms: number) => Promise<void>,
    private readonly notice: (sentence: string) => void,
  ) {}

  /** Something was achieved: failures are counted anew. */
  progressed(): void {
    this.#failures = 0;
  }

  /**
   * Does `work` until it succeeds.
   *
   * @throws whatever is no `TransientError`, at once; the last `TransientError` when nothing was
   *   achieved between five of them, or the server asks to wait for more than five minutes
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        await this.#wait(error);
      }
    }
  }

  async #wait(error: TransientError): Promise<void> {
    const { message, waitMs } = error;
    if (++this.#failures === MOST_FAILURES) {
      throw new UserError(
        `${message}, and ${MOST_FAILURES - 1} more attempts changed nothing: try again later`,
      );
    }
    if (waitMs !== undefined && waitMs > LONGEST_ASKED_MS) {
      throw new UserError(
        `${message} and asks to wait for ${Math.ceil(waitMs / 1000)} s: try again then`,
      );
    }
    const growing = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** (this.#failures - 1));
    const ms = Math.max(growing, waitMs ?? 0);
    this.notice(`${message}; trying again in ${Math.ceil(ms / 1000)} s`);
    await this.pause(ms);
  }
}
