/**
 * How far a download is, how fast it is, and how long it will take.
 *
 * @module
 */

import prettyBytes from "pretty-bytes";

/** Milliseconds over which the speed is taken. */
const WINDOW_MS = 10_000;

/** A longer time left says no more than that little came so far. */
const LONGEST_LEFT_S = 100 * 3600;

/** Bytes that come within this time are one arrival. */
const ARRIVAL_MS = 250;

/**
 * A download under way.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Transfer } from "./transfer.ts";
 *
 * let ms = 0;
 * const transfer = new Transfer(() => ms);
 * transfer.add({ done: 400e6, total: 1000e6, received: 0 });
 * ms = 2000;
 * transfer.add({ done: 500e6, total: 1000e6, received: 100e6 });
 * assertEquals(transfer.text(), "500 MB of 1 GB, 50 MB/s, 10 s left");
 * ```
 */
export class Transfer {
  #done = 0;
  #total = 0;
  /** When bytes came, and how many. */
  #arrivals: { readonly ms: number; bytes: number }[];

  /** @param now milliseconds since some time */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#arrivals = [{ ms: now(), bytes: 0 }];
  }

  /** `done` of `total` bytes are there, `received` of them came since the last call. */
  add(at: { readonly done: number; readonly total: number; readonly received: number }): void {
    this.#done = at.done;
    this.#total = at.total;
    const ms = this.now();
    const last = this.#arrivals.at(-1)!;
    if (this.#arrivals.length > 1 && ms - last.ms < ARRIVAL_MS) last.bytes += at.received;
    else this.#arrivals.push({ ms, bytes: at.received });
    // The first of those that stay only says since when.
    while (this.#arrivals.length > 2 && this.#arrivals[1]!.ms < ms - WINDOW_MS) {
      this.#arrivals.shift();
    }
  }

  /** Bytes a second, of late; 0 before any came. */
  get speed(): number {
    const [first, ...rest] = this.#arrivals;
    const seconds = (this.now() - first!.ms) / 1000;
    const bytes = rest.reduce((sum, arrival) => sum + arrival.bytes, 0);
    return seconds > 0 ? bytes / seconds : 0;
  }

  /** All of it in words. */
  text(): string {
    const { speed } = this;
    const text = `${prettyBytes(this.#done)} of ${prettyBytes(this.#total)}`;
    if (speed === 0) return text;
    const left = (this.#total - this.#done) / speed;
    return `${text}, ${prettyBytes(speed)}/s` +
      (left < LONGEST_LEFT_S ? `, ${durationText(left)} left` : "");
  }
}

function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
