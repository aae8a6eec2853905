/**
 * Cells dealt out to shards by what they are expected to take. Every shard deals for itself and comes
 * to the same hands, so that none has to be told.
 *
 * @module
 */
import type { SweepCell, SweepDefinition } from "./definition.ts";
import { cellsOf } from "./definition.ts";
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
  for (const { cell, place } of order) {
    let best = hands[0]!;
    for (const hand of hands) if (hand.with(cell) < best.with(cell)) best = hand;
    best.take(cell, place);
  }
  return hands.map((hand) => hand.closed());
}

class OpenHand {
  #seconds = 0;
  readonly #cells: { readonly cell: SweepCell; readonly place: number }[] = [];
  readonly #once = new Set<string>();

  constructor(private readonly prices: Prices) {}

  /** Seconds with one more cell. */
  with(cell: SweepCell): number {
    const { model, benchmark } = cell;
    return this.#seconds + this.prices.cell(cell).seconds +
      (this.#once.has(model) ? 0 : this.prices.load(model).seconds) +
      (this.#once.has(referenceOf(cell)) ? 0 : this.prices.reference(model, benchmark));
  }

  take(cell: SweepCell, place: number): void {
    this.#seconds = this.with(cell);
    this.#cells.push({ cell, place });
    this.#once.add(cell.model).add(referenceOf(cell));
  }

  closed(): Hand {
    const cells = this.#cells.sort((a, b) => a.place - b.place).map(({ cell }) => cell);
    return { cells, seconds: this.#seconds };
  }
}

/** Seeds share references. */
function referenceOf({ model, benchmark }: SweepCell): string {
  return JSON.stringify([model, benchmark]);
}
