/**
 * Cells dealt out to shards by what they are expected to take. Every shard deals for itself and comes
 * to the same hands, so that none has to be told.
 *
 * @module
 */
import type { SweepCell, SweepDefinition } from "./definition.ts";
import { cellsOf, groupOf } from "./definition.ts";
import type { Estimates } from "./estimate.ts";

/** One of `count` shards; `index` is from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** What a shard is to do. */
export interface Hand {
  /** In the order of the sweep, so that a model is opened once. */
  readonly cells: readonly SweepCell[];
  /** With the models that are opened and the references that are run for them. */
  readonly seconds: number;
}

/** Prices of what a shard does once, whatever it then does with it. */
type Prices = Pick<Estimates, "cell" | "load" | "reference">;

/**
 * Deals a sweep's cells, longest first, each to the shard that is then done first (Graham, "Bounds on
 * multiprocessing timing anomalies", SIAM Journal on Applied Mathematics 17, 1969: LPT).
 */
export function dealt(sweep: SweepDefinition, prices: Prices, count: number): Hand[] {
  const hands = Array.from({ length: count }, () => new OpenHand(prices));
  const cells = cellsOf(sweep);
  const order = cells.map((cell, place) => ({ cell, place, seconds: prices.cell(cell).seconds }))
    .sort((a, b) => b.seconds - a.seconds || a.place - b.place);
  for (const item of order) {
    let [best, least] = [hands[0]!, Infinity];
    for (const hand of hands) {
      const seconds = hand.with(item);
      if (seconds < least) [best, least] = [hand, seconds];
    }
    best.take(item, least);
  }
  return hands.map((hand) => hand.closed());
}

/** A cell, where it stands in the sweep, and what it takes by itself. */
interface Priced {
  readonly cell: SweepCell;
  readonly place: number;
  readonly seconds: number;
}

class OpenHand {
  #seconds = 0;
  readonly #cells: Priced[] = [];
  readonly #once = new Set<string>();

  constructor(private readonly prices: Prices) {}

  /** Seconds with one more cell. */
  with({ cell, seconds }: Priced): number {
    const { model, benchmark } = cell;
    return this.#seconds + seconds +
      (this.#once.has(model) ? 0 : this.prices.load(model).seconds) +
      (this.#once.has(groupOf(cell)) ? 0 : this.prices.reference(model, benchmark));
  }

  /** @param seconds with it */
  take(item: Priced, seconds: number): void {
    this.#seconds = seconds;
    this.#cells.push(item);
    this.#once.add(item.cell.model).add(groupOf(item.cell));
  }

  closed(): Hand {
    const cells = this.#cells.sort((a, b) => a.place - b.place).map(({ cell }) => cell);
    return { cells, seconds: this.#seconds };
  }
}
