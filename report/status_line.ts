/**
 * What a run says on stderr while it goes on: sentences, and a progress bar when stderr is a
 * terminal.
 *
 * @module
 */
import { ProgressBar } from "@std/cli/unstable-progress-bar";
import { shownLine } from "./terminal.ts";
import { TimeLeft } from "./time_left.ts";

/** Where a status line is drawn. */
export interface StatusOptions {
  /** Whether there is a bar: stderr is a terminal and the user did not ask for quiet. */
  readonly bar: boolean;
  /** How far the work is, beside the bar; default `done/total`. */
  readonly count?: (done: number, total: number) => string;
  /** Columns of the terminal; default 80. */
  readonly columns?: number;
  /** Writes one line; default: to stderr. */
  readonly write?: (line: string) => void;
  /** Where the bar is drawn; default stderr. */
  readonly writable?: WritableStream<Uint8Array>;
  /** Seconds, from any point in time, for the time that is left; default: the clock's. */
  readonly now?: () => number;
}

const CLEAR_LINE = "\r\x1b[K";
const BAR_LENGTH = 24;

/** Sentences and a progress bar on one terminal. */
export class StatusLine {
  readonly #options: StatusOptions;
  #bar: ProgressBar | undefined;
  #what = "";
  readonly #left: TimeLeft;
  #remaining = "";

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#left = new TimeLeft(options.now);
  }

  /** Shows that `done` of `total` pieces of work are done and `what` is under way. */
  progress(done: number, total: number, what: string): void {
    if (!this.#options.bar) return;
    this.#what = shownLine(what);
    const left = this.#left.text(done, total);
    this.#remaining = left === "" ? "" : `(${left})`;
    if (this.#bar === undefined) {
      const { writable, columns = 80 } = this.#options;
      const { count = (done, total) => `${done}/${total}` } = this.#options;
      this.#bar = new ProgressBar({
        max: total,
        value: done,
        barLength: BAR_LENGTH,
        clear: true,
        refreshMilliseconds: 200,
        formatter: ({ styledTime, progressBar, value, max }) =>
          // One column is left free: a full line would wrap and could not be cleared.
          [styledTime, `[${progressBar}]`, count(value, max), this.#remaining, this.#what]
            .filter((part) => part !== "").join(" ").slice(0, columns - 1),
        ...(writable === undefined ? {} : { writable }),
      });
    }
    this.#bar.max = total;
    this.#bar.value = done;
  }

  /** Writes a sentence on a line of its own; the bar comes back below it. */
  notice(sentence: string): void {
    (this.#options.write ?? console.error)(
      `${this.#bar === undefined ? "" : CLEAR_LINE}${shownLine(sentence)}`,
    );
  }

  /** Takes the bar away. */
  async stop(): Promise<void> {
    const bar = this.#bar;
    this.#bar = undefined;
    await bar?.stop();
  }
}
