/**
 * A stream of codes of changing width in 32-bit words, without gaps: the first code in the lowest
 * bits of the first word. Codes may straddle two words.
 *
 * @module
 */

/** Appends codes of up to 16 bits; its words grow as needed. */
export class BitWriter {
  /** Words in use and room behind them, which is zero. */
  words: Uint32Array<ArrayBuffer>;
  /** Bits written. */
  length = 0;

  constructor(expectedBits: number) {
    this.words = new Uint32Array(Math.ceil(expectedBits / 32) + 1);
  }

  /** Makes room for `bits` more bits. */
  reserve(bits: number): void {
    const needed = Math.ceil((this.length + bits) / 32) + 1;
    if (needed <= this.words.length) return;
    const larger = new Uint32Array(Math.ceil(1.5 * needed));
    larger.set(this.words);
    this.words = larger;
  }

  /** Appends the codes `codes[from] .. codes[to - 1]`, each below `2^bits`. */
  write(codes: Int32Array, from: number, to: number, bits: number): void {
    if (bits === 0 || to <= from) return;
    this.reserve((to - from) * bits);
    const words = this.words;
    let at = this.length >>> 5;
    let shift = this.length & 31;
    let word = words[at]!;
    for (let i = from; i < to; i++) {
      const code = codes[i]!;
      word |= code << shift;
      shift += bits;
      if (shift >= 32) {
        words[at++] = word;
        shift -= 32;
        // What did not fit; a shift by the full width would be a shift by 0 in JavaScript.
        word = shift === 0 ? 0 : code >>> (bits - shift);
      }
    }
    words[at] = word;
    this.length += (to - from) * bits;
  }

  /**
   * Appends the codes of `row[from] .. row[to - 1]` on an evenly spaced scale: the nearest integer
   * to `(x - mean) * inverse`, ties to even, within `-half .. half - 1` for `half = 2^(bits - 1)`,
   * stored with `half` added.
   */
  writeSteps(
    row: Float32Array,
    from: number,
    to: number,
    mean: number,
    inverse: number,
    bits: number,
  ): void {
    if (bits === 0 || to <= from) return;
    this.reserve((to - from) * bits);
    const words = this.words;
    const half = 1 << (bits - 1);
    const top = 2 * half - 1;
    let at = this.length >>> 5;
    let shift = this.length & 31;
    let word = words[at]!;
    for (let i = from; i < to; i++) {
      const steps = ((row[i]! - mean) * inverse + ROUND - ROUND) | 0;
      // Integer minima and maxima compile to conditional moves; tails often saturate.
      const code = Math.min(Math.max(steps + half, 0), top);
      word |= code << shift;
      shift += bits;
      if (shift >= 32) {
        words[at++] = word;
        shift -= 32;
        word = shift === 0 ? 0 : code >>> (bits - shift);
      }
    }
    words[at] = word;
    this.length += (to - from) * bits;
  }

  /** Appends one code. */
  push(code: number, bits: number): void {
    one[0] = code;
    this.write(one, 0, 1, bits);
  }
}

const one = new Int32Array(1);

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/**
 * Reads codes that `writeSteps` wrote, from bit `at` on, and restores them to
 * `target[from] .. target[to - 1]` as `(code - half) * scale + mean`; without bits all become `mean`.
 */
export function readSteps(
  words: Uint32Array,
  at: number,
  bits: number,
  scale: number,
  mean: number,
  target: Float32Array,
  from: number,
  to: number,
): void {
  if (bits === 0) {
    target.fill(mean, from, to);
    return;
  }
  const half = 1 << (bits - 1);
  const mask = 2 * half - 1;
  let index = at >>> 5;
  let shift = at & 31;
  let word = words[index]!;
  for (let i = from; i < to; i++) {
    let code = word >>> shift;
    shift += bits;
    if (shift >= 32) {
      word = words[++index]!;
      shift -= 32;
      if (shift > 0) code |= word << (bits - shift);
    }
    target[i] = Math.fround(((code & mask) - half) * scale) + mean;
  }
}

/** Reads `count` codes of `bits` bits (0..16) from bit `at` on into `codes[0], …`. */
export function readBits(
  words: Uint32Array,
  at: number,
  count: number,
  bits: number,
  codes: Int32Array,
): void {
  if (bits === 0) {
    codes.fill(0, 0, count);
    return;
  }
  const mask = (1 << bits) - 1;
  let index = at >>> 5;
  let shift = at & 31;
  let word = words[index]!;
  for (let i = 0; i < count; i++) {
    let code = word >>> shift;
    shift += bits;
    if (shift >= 32) {
      word = words[++index]!;
      shift -= 32;
      if (shift > 0) code |= word << (bits - shift);
    }
    codes[i] = code & mask;
  }
}
