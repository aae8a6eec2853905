/**
 * The numbers of a run while it goes on, for who watches it: soon after it began, and then each time
 * it has taken twice as long.
 *
 * @module
 */
import type { SliceResult } from "../evaluation/results.ts";
import { sliceTable } from "./table.ts";

/** Seconds after which there are first numbers, as soon as an example has any. */
const FIRST_SECONDS = 8;

/** Tables of what is finished, ever more seldom. */
export class RunningTable {
  readonly #start: number;
  #next = FIRST_SECONDS;

  /**
   * @param write is given a table, line by line
   * @param now seconds, from any point in time
   */
  constructor(
    private readonly write: (line: string) => void,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {
    this.#start = now();
  }

  /** Takes what is finished of a slice, and writes it when it is time to. */
  show({ partial: _, ...finished }: SliceResult): void {
    const seconds = this.now() - this.#start;
    if (seconds < this.#next) return;
    this.#next = 2 * seconds;
    this.write("First numbers, while the run goes on:");
    for (const line of sliceTable(finished).split("\n")) this.write(line);
  }
}
