/**
 * Work that is done again and again and grows: only so often that it takes a small part of all time.
 *
 * @module
 */

/** Of all time, at most one part in so many goes into the work. */
const PART = 20;

/** Says when it is time. */
export class Seldom {
  #ended = -Infinity;
  #took = 0;

  /** @param now the time, in milliseconds */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Does some work, if it is time; the first time it always is. */
  do(work: () => void): void {
    const start = this.now();
    if (start - this.#ended < PART * this.#took) return;
    work();
    this.#ended = this.now();
    this.#took = this.#ended - start;
  }
}
