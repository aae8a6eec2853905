/**
 * How long a run still takes, from how fast it went so far.
 *
 * @module
 */

/** Share of the work after which a first estimate is worth something. */
const FIRST_SHARE = 1 / 32;

/** Seconds below which nothing is said: a run as short as that is over soon. */
const FIRST_SECONDS = 2;

/** The clock of one piece of work; it starts anew when the work does. */
export class TimeLeft {
  #start = { seconds: 0, done: Infinity, total: 0 };

  /** @param now seconds, from any point in time */
  constructor(private readonly now: () => number = () => performance.now() / 1000) {}

  /**
   * The time that is left, in words, when `done` of `total` pieces of work are done; empty as long as
   * nobody can tell.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { TimeLeft } from "./time_left.ts";
   *
   * let seconds = 0;
   * const left = new TimeLeft(() => seconds);
   * assertEquals(left.text(0, 100), "");
   * seconds = 10;
   * assertEquals(left.text(20, 100), "40 s left");
   * ```
   */
  text(done: number, total: number): string {
    if (done < this.#start.done || total !== this.#start.total) {
      this.#start = { seconds: this.now(), done, total };
    }
    const { seconds, done: before } = this.#start;
    const [elapsed, gone] = [this.now() - seconds, done - before];
    if (elapsed < FIRST_SECONDS || gone < FIRST_SHARE * total || done >= total) return "";
    const left = elapsed / gone * (total - done);
    return left < 90 ? `${Math.ceil(left)} s left` : `${Math.round(left / 60)} min left`;
  }
}
