/**
 * The few smallest and largest values of a row, found in one pass.
 *
 * @module
 */

/** Beyond this many values at an end, sorting the row is faster than keeping the extremes. */
const MOST_KEPT = 24;

/** Values of each end that are found without a branch. */
const DEPTH = 3;

/** Float32 values and the same as integers. */
export class FloatRow {
  readonly bits: Int32Array<ArrayBuffer>;

  constructor(readonly values: Float32Array<ArrayBuffer>) {
    this.bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  }
}

/** Finds the extremes of rows of one length. */
export class Extremes {
  /** The smallest values in ascending order. */
  readonly smallest: Float32Array;
  /** The largest values in descending order. */
  readonly largest: Float32Array;
  readonly #keys = new Int32Array(2 * DEPTH);
  readonly #found = new Float32Array(this.#keys.buffer);

  /**
   * @param count values of a row
   * @param bottom how many of the smallest are wanted, at most `count`
   * @param top how many of the largest are wanted, at most `count`
   */
  constructor(private readonly count: number, bottom: number, top: number) {
    this.smallest = new Float32Array(bottom);
    this.largest = new Float32Array(top);
  }

  /** Looks at `count` values from index `from` on, all of them finite. */
  find(row: FloatRow, from: number): void {
    const { smallest, largest } = this;
    if (largest.length <= 2 && smallest.length <= 2) this.#twoEach(row.bits, from);
    else if (largest.length <= DEPTH && smallest.length <= DEPTH) this.#threeEach(row.bits, from);
    else if (largest.length <= MOST_KEPT && smallest.length <= MOST_KEPT) {
      this.#keep(row.values, from);
    } else {
      const sorted = row.values.slice(from, from + this.count).sort();
      smallest.set(sorted.subarray(0, smallest.length));
      for (let i = 0; i < largest.length; i++) largest[i] = sorted[this.count - 1 - i]!;
    }
  }

  #twoEach(bits: Int32Array, from: number): void {
    let a = -0x80000000, b = a;
    let d = 0x7fffffff, e = d;
    for (let i = from; i < from + this.count; i++) {
      const word = bits[i]!;
      const key = word ^ ((word >> 31) & 0x7fffffff);
      b = Math.max(b, Math.min(a, key));
      a = Math.max(a, key);
      e = Math.min(e, Math.max(d, key));
      d = Math.min(d, key);
    }
    this.#take(a, b, b, d, e, e);
  }

  /**
   * Float32 values compare like integer keys, the bits with all but the sign inverted for negative
   * ones, and V8 compiles integer minima and maxima to conditional moves.
   */
  #threeEach(bits: Int32Array, from: number): void {
    let a = -0x80000000, b = a, c = a;
    let d = 0x7fffffff, e = d, f = d;
    for (let i = from; i < from + this.count; i++) {
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
    this.#take(a, b, c, d, e, f);
  }

  #take(a: number, b: number, c: number, d: number, e: number, f: number): void {
    const { largest, smallest } = this;
    const keys = this.#keys;
    keys[0] = a ^ ((a >> 31) & 0x7fffffff);
    keys[1] = b ^ ((b >> 31) & 0x7fffffff);
    keys[2] = c ^ ((c >> 31) & 0x7fffffff);
    keys[3] = d ^ ((d >> 31) & 0x7fffffff);
    keys[4] = e ^ ((e >> 31) & 0x7fffffff);
    keys[5] = f ^ ((f >> 31) & 0x7fffffff);
    const found = this.#found;
    for (let i = 0; i < largest.length; i++) largest[i] = found[i]!;
    for (let i = 0; i < smallest.length; i++) smallest[i] = found[DEPTH + i]!;
  }

  /** Most values are among neither end and cost two comparisons. */
  #keep(values: Float32Array, from: number): void {
    const { largest, smallest } = this;
    const top = largest.length - 1;
    const bottom = smallest.length - 1;
    largest.fill(-Infinity);
    smallest.fill(Infinity);
    let least = -Infinity, most = Infinity;
    for (let i = from; i < from + this.count; i++) {
      const x = values[i]!;
      if (x > least) {
        let at = top;
        for (; at > 0 && largest[at - 1]! < x; at--) largest[at] = largest[at - 1]!;
        largest[at] = x;
        least = largest[top]!;
      }
      if (x < most) {
        let at = bottom;
        for (; at > 0 && smallest[at - 1]! > x; at--) smallest[at] = smallest[at - 1]!;
        smallest[at] = x;
        most = smallest[bottom]!;
      }
    }
  }
}
