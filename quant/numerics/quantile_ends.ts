/**
 * Both ends of a row's distribution: its quantiles `t` and `1 - t`, as torch.quantile defines them.
 *
 * @module
 */
import { Extremes, type FloatRow } from "./extremes.ts";

/** A quantile as a position between two of the sorted values. */
interface Rank {
  readonly below: number;
  readonly weight: number;
}

/** Position of quantile `q` among `count` sorted values, in float32 as torch.quantile has it. */
export function quantileRank(q: number, count: number): Rank {
  const rank = Math.fround(Math.fround(q) * (count - 1));
  const below = Math.floor(rank);
  return { below, weight: rank - below };
}

/** The value a `weight` of the way from `low` to `high`, in float32. */
function between(low: number, high: number, weight: number): number {
  const step = high - low;
  return Math.fround(weight < 0.5 ? low + step * weight : high - step * (1 - weight));
}

/** Finds the quantiles `t` and `1 - t` of rows of one length, and what lies strictly between them. */
export class QuantileEnds {
  /** Quantile `1 - t` of the last row. */
  low = 0;
  /** Quantile `t` of the last row. */
  high = 0;
  /** Smallest and largest value strictly between the quantiles; infinite when there is none. */
  innerLow = 0;
  innerHigh = 0;
  readonly #lower: Rank;
  readonly #upper: Rank;
  readonly #extremes: Extremes;

  /**
   * @param t quantile, 0.5..1
   * @param count values of a row
   */
  constructor(t: number, private readonly count: number) {
    this.#upper = quantileRank(t, count);
    this.#lower = quantileRank(1 - t, count);
    // Up to the value above the rank, and one more: the first strictly inside.
    const bottom = Math.min(count, this.#lower.below + 3);
    const top = Math.min(count, count - this.#upper.below + 1);
    this.#extremes = new Extremes(count, bottom, top);
  }

  /** Looks at a row whose values are all finite. */
  find(row: FloatRow): void {
    const { smallest, largest } = this.#extremes;
    const last = this.count - 1;
    this.#extremes.find(row, 0);
    const above = Math.min(this.#lower.below + 1, last);
    this.low = between(smallest[this.#lower.below]!, smallest[above]!, this.#lower.weight);
    const under = last - this.#upper.below;
    this.high = between(largest[under]!, largest[Math.max(0, under - 1)]!, this.#upper.weight);
    let top = 0;
    while (top < largest.length && largest[top]! >= this.high) top++;
    let bottom = 0;
    while (bottom < smallest.length && smallest[bottom]! <= this.low) bottom++;
    // Ties at a quantile hide what lies inside it.
    if (top === largest.length || bottom === smallest.length) return this.#scan(row.values);
    this.innerHigh = largest[top]!;
    this.innerLow = smallest[bottom]!;
  }

  #scan(values: Float32Array): void {
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < this.count; i++) {
      const x = values[i]!;
      if (x <= this.low || x >= this.high) continue;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    this.innerLow = low;
    this.innerHigh = high;
  }
}
