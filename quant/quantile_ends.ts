/**
 * Both ends of a row's distribution: its quantiles `t` and `1 - t`, as torch.quantile defines them.
 *
 * @module
 */

/** Beyond this many values at an end, sorting the row is faster than keeping the extremes. */
const MOST_KEPT = 24;

/** Values of each end that are found without a branch. */
const DEPTH = 3;

/** The largest three values, largest first, and the smallest three, smallest first; and as keys. */
const extremes = new Float32Array(2 * DEPTH);
const keys = new Int32Array(extremes.buffer);

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

/**
 * Finds the quantiles `t` and `1 - t` of rows of one length, and what lies strictly between them.
 *
 * Few values lie beyond a quantile, so the largest and smallest ones are kept while the row is read
 * once; a value that is among neither costs two comparisons.
 */
export class QuantileEnds {
  /** Quantile `1 - t` of the last row. */
  low = 0;
  /** Quantile `t` of the last row. */
  high = 0;
  /** Smallest and largest value strictly between the quantiles; +-infinity when there is none. */
  innerLow = 0;
  innerHigh = 0;
  readonly #lower: Rank;
  readonly #upper: Rank;
  /** The smallest values, the largest of them first: those up to the quantile, and one more. */
  readonly #smallest: Float32Array;
  /** The largest values, the smallest of them first. */
  readonly #largest: Float32Array;

  /**
   * @param t quantile, 0.5..1
   * @param count values of a row
   */
  constructor(t: number, private readonly count: number) {
    this.#upper = quantileRank(t, count);
    this.#lower = quantileRank(1 - t, count);
    this.#largest = new Float32Array(Math.min(count, count - this.#upper.below + 1));
    this.#smallest = new Float32Array(Math.min(count, this.#lower.below + 3));
  }

  /** Looks at `row[0] .. row[count - 1]`, all of them finite. */
  find(row: Float32Array): void {
    const { count } = this;
    const large = this.#largest;
    const small = this.#smallest;
    const top = large.length;
    const bottom = small.length;
    if (top > MOST_KEPT || bottom > MOST_KEPT) {
      const sorted = row.slice(0, count).sort();
      this.#set((i) => sorted[i]!);
      this.#scan(row);
      return;
    }
    if (top <= DEPTH && bottom <= DEPTH) this.#threeEach(row);
    else this.#keepExtremes(row);
    this.#set((i) => i < bottom ? small[bottom - 1 - i]! : large[i - (count - top)]!);
    // Ties at a quantile hide what lies inside it.
    if (large[0]! >= this.high || small[0]! <= this.low) return this.#scan(row);
    let at = 0;
    while (at + 1 < top && large[at + 1]! < this.high) at++;
    this.innerHigh = large[at]!;
    at = 0;
    while (at + 1 < bottom && small[at + 1]! > this.low) at++;
    this.innerLow = small[at]!;
  }

  /** Any number of extremes at each end. */
  #keepExtremes(row: Float32Array): void {
    const [large, small] = [this.#largest, this.#smallest];
    const [top, bottom] = [large.length, small.length];
    large.fill(-Infinity);
    small.fill(Infinity);
    let least = -Infinity, most = Infinity;
    for (let i = 0; i < this.count; i++) {
      const x = row[i]!;
      if (x > least) {
        let at = 0;
        for (; at + 1 < top && large[at + 1]! < x; at++) large[at] = large[at + 1]!;
        large[at] = x;
        least = large[0]!;
      }
      if (x < most) {
        let at = 0;
        for (; at + 1 < bottom && small[at + 1]! > x; at++) small[at] = small[at + 1]!;
        small[at] = x;
        most = small[0]!;
      }
    }
  }

  /**
   * The three smallest and largest values without a branch. Float32 values compare like integer
   * keys, the bits with all but the sign inverted for negative ones, and V8 compiles integer minima
   * and maxima to conditional moves.
   */
  #threeEach(row: Float32Array): void {
    const bits = new Int32Array(row.buffer, row.byteOffset, this.count);
    let a = -0x80000000, b = a, c = a;
    let d = 0x7fffffff, e = d, f = d;
    for (let i = 0; i < bits.length; i++) {
      const word = bits[i]!;
      const key = word ^ ((word >> 31) & 0x7fffffff);
      const belowA = Math.min(a, key);
      a = Math.max(a, key);
      c = Math.max(c, Math.min(b, belowA));
      b = Math.max(b, belowA);
      const aboveD = Math.max(d, key);
      d = Math.min(d, key);
      f = Math.min(f, Math.max(e, aboveD));
      e = Math.min(e, aboveD);
    }
    const [large, small] = [this.#largest, this.#smallest];
    keys[0] = a;
    keys[1] = b;
    keys[2] = c;
    keys[3] = d;
    keys[4] = e;
    keys[5] = f;
    for (let i = 0; i < 6; i++) keys[i] = keys[i]! ^ ((keys[i]! >> 31) & 0x7fffffff);
    for (let i = 0; i < large.length; i++) large[large.length - 1 - i] = extremes[i]!;
    for (let i = 0; i < small.length; i++) small[small.length - 1 - i] = extremes[3 + i]!;
  }

  #set(sorted: (index: number) => number): void {
    const last = this.count - 1;
    const at = ({ below, weight }: Rank) =>
      between(sorted(below), sorted(Math.min(below + 1, last)), weight);
    this.low = at(this.#lower);
    this.high = at(this.#upper);
  }

  #scan(row: Float32Array): void {
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < this.count; i++) {
      const x = row[i]!;
      if (x <= this.low || x >= this.high) continue;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    this.innerLow = low;
    this.innerHigh = high;
  }
}
