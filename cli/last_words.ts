/**
 * What a run that a signal ends still prints and writes, and who does it: the run itself, until a
 * signal comes, or the thread that waits for signals, and never both.
 *
 * @module
 */

/** What is finished of a run. */
export interface LastWords {
  /** For standard output, as it is to be printed. */
  readonly stdout?: string;
  /** What a reader of it must know, a sentence each. */
  readonly remarks?: readonly string[];
  /** Result files, by name, and their folder. */
  readonly files?: { readonly folder: string; readonly contents: Readonly<Record<string, string>> };
  /** What became of the results, in a clause. */
  readonly outcome: string;
}

/** Words with their number, on the way to the thread that waits. */
export interface NumberedWords {
  readonly number: number;
  readonly words: LastWords;
}

/** One thread at a time prints; the other sees whether the words that it has are the newest. */
export class Turn {
  readonly #cells: Int32Array;

  /** @param memory shared by both threads; by default made here */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#cells = new Int32Array(memory);
  }

  /** Takes the turn, if nobody has it. */
  take(): boolean {
    return Atomics.compareExchange(this.#cells, 0, 0, 1) === 0;
  }

  /** Takes the turn; blocks while somebody has it, for good if that one ends the process. */
  await(): void {
    while (!this.take()) Atomics.wait(this.#cells, 0, 1);
  }

  /** Gives the turn back. */
  give(): void {
    Atomics.store(this.#cells, 0, 0);
    Atomics.notify(this.#cells, 0);
  }

  /** Number of the newest words. */
  get number(): number {
    return Atomics.load(this.#cells, 1);
  }

  /** Counts words; the result is their number. */
  next(): number {
    return Atomics.add(this.#cells, 1, 1) + 1;
  }
}
