/**
 * Ctrl-C ends a run at once, wherever it is: models, tokenizers and templates can block the thread
 * that runs them for long, so that signals are heard by another one. That has been told what is
 * finished, prints and writes it, and lets the signal do what it does to a program that does not
 * listen.
 *
 * @module
 */
import { type LastWords, type NumberedWords, Turn } from "./last_words.ts";

/** The first message to the thread that waits for signals. */
export interface Watch {
  readonly memory: SharedArrayBuffer;
  /** Whether a progress bar may have to be cleared. */
  readonly bar: boolean;
}

/** Lets signals end the program, with last words, while it lives. */
export class InterruptListener implements Disposable {
  readonly #turn = new Turn();
  readonly #worker: Worker | undefined;

  /**
   * @param words what is said until there are others
   * @param bar whether a progress bar is drawn on standard error
   */
  constructor(words: LastWords, bar: boolean) {
    try {
      this.#worker = new Worker(import.meta.resolve("./interrupt_worker.ts"), { type: "module" });
    } catch (error) {
      // A program that may not read its own source: signals end it without words.
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      return;
    }
    this.#worker.addEventListener("error", (event) => event.preventDefault());
    this.#worker.postMessage({ memory: this.#turn.memory, bar } satisfies Watch);
    this.#post(words);
  }

  /**
   * Prints or writes something and says what is finished from then on. A signal comes before or after
   * both: nothing is printed twice, and nothing half.
   */
  leave(words: LastWords, meanwhile?: () => void): void {
    this.#turn.await();
    try {
      meanwhile?.();
      this.#post(words);
    } finally {
      this.#turn.give();
    }
  }

  #post(words: LastWords): void {
    this.#worker?.postMessage({ number: this.#turn.next(), words } satisfies NumberedWords);
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
  }
}
