/**
 * Entropy coding of small symbols whose frequencies are known beforehand: an asymmetric numeral
 * system (Duda, "Asymmetric numeral systems", arXiv 1311.2540, the range variant). A symbol of
 * probability `p` takes `-log2 p` bits on average, also where that is far below one bit.
 *
 * A stream is a stack of bits: the coder goes through the symbols backwards and pushes, the decoder
 * starts at the end and pops, so neither has to turn anything around. The state lies in
 * `2^16 .. 2^17 - 1` and frequencies sum to `2^12`; bits leave and enter the state one power of two at
 * a time, so a leading-zero count and one comparison tell how many.
 *
 * @module
 */
/** Frequencies of the symbols of one alphabet sum to 2 to this power. */
export const FREQUENCY_BITS = 12;

/** Bits of the state, which end every stream. */
export const STATE_BITS = 16;

/**
 * Bits that follow an escape as they are: a byte, and behind one whose lower seven bits are all 1 two
 * more bytes. In the alphabet that is exact two bytes follow at once.
 */
export const BYTE_BITS = 8;
/** See `BYTE_BITS`. */
export const WORD_BITS = 16;
/** The lower bits of a byte behind which two more bytes follow. */
export const MORE_FOLLOWS = 0x7f;

const TOTAL = 1 << FREQUENCY_BITS;

/** Leading bits of a slot that say where to begin looking for its symbol. */
const SLOT_BITS = 6;
const SLOT_SHIFT = FREQUENCY_BITS - SLOT_BITS;
const LOWEST_STATE = 1 << STATE_BITS;
/** Before a symbol is taken in, the state is at least its frequency times 2 to this power. */
export const QUOTIENT_BITS = STATE_BITS - FREQUENCY_BITS;

/** Alphabets of one size. */
export interface Alphabets {
  /** Symbols of each alphabet. The last one escapes: raw bits follow it. */
  readonly symbols: number;
  /** The alphabet whose escape two bytes follow; -1 where there is none. */
  readonly exact: number;
  /** `[alphabets][symbols]`; 0 for a symbol that does not occur. */
  readonly frequencies: Uint16Array<ArrayBuffer>;
  /** `[alphabets][symbols]`: sum of the frequencies up to and including each symbol's. */
  readonly ends: Uint16Array<ArrayBuffer>;
  /**
   * `[alphabets][symbols]`: what a symbol adds to a stream at least, its raw bits included, in whole
   * `COST_SHARE`ths of a bit, see `leastBitsOf`.
   */
  readonly costs: Uint16Array<ArrayBuffer>;
  /** `[alphabets][2^SLOT_BITS]`: the symbol of the lowest slot of each range of them. */
  readonly firsts: Uint8Array<ArrayBuffer>;
}

/** What a bit counts in `Alphabets.costs`. */
export const COST_SHARE = 16;

/**
 * Alphabets from frequencies `[alphabets][symbols]`, each of which sums to `2^FREQUENCY_BITS`.
 *
 * @param exact which of them is exact, if any
 */
export function alphabetsOf(
  symbols: number,
  frequencies: Iterable<number>,
  exact = -1,
): Alphabets {
  const given = Uint16Array.from(frequencies);
  const ends = new Uint16Array(given.length);
  for (let i = 0; i < given.length; i++) {
    ends[i] = given[i]! + (i % symbols === 0 ? 0 : ends[i - 1]!);
  }
  const firsts = new Uint8Array(given.length / symbols << SLOT_BITS);
  for (let i = 0; i < firsts.length; i++) {
    const base = (i >>> SLOT_BITS) * symbols;
    const slot = (i & (1 << SLOT_BITS) - 1) << SLOT_SHIFT;
    while (slot >= ends[base + firsts[i]!]!) firsts[i]!++;
  }
  return {
    symbols,
    exact,
    frequencies: given,
    ends,
    costs: Uint16Array.from(given, (frequency, i) => {
      const escapes = (i + 1) % symbols === 0;
      const raw = !escapes ? 0 : Math.floor(i / symbols) === exact ? WORD_BITS : BYTE_BITS;
      return Math.max(0, Math.floor(COST_SHARE * (leastBitsOf(frequency) + raw)));
    }),
    firsts,
  };
}

/**
 * What a symbol adds, at least, to the bits of a stream and the logarithm of the state together. It is
 * the symbol's information, less what whole numbers lose: of a state in `16 f .. 32 f - 1` its
 * remainder may be lost in part (hence `(16 + f / 2^12) / 17`), and before that the bits that left it.
 */
function leastBitsOf(frequency: number): number {
  // A symbol that does not occur: dearer than any that does.
  if (frequency === 0) return FREQUENCY_BITS + WORD_BITS;
  const least = 1 << QUOTIENT_BITS;
  return Math.log2(TOTAL / frequency) -
    Math.log2((least + 1) / (least + frequency / TOTAL)) -
    Math.log2(1 + 1 / (least * frequency));
}

/**
 * Frequencies that sum to `2^FREQUENCY_BITS`, in proportion to counts, none of them 0.
 *
 * @param counts at least one and at most `2^FREQUENCY_BITS`, none negative, not all 0
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { frequenciesOf } from "./entropy_coder.ts";
 *
 * assertEquals(frequenciesOf([3, 1, 0]), [3071, 1024, 1]);
 * ```
 */
export function frequenciesOf(counts: readonly number[]): number[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  const shares = counts.map((count) => count / sum * (TOTAL - counts.length));
  const frequencies = shares.map((share) => 1 + Math.floor(share));
  const byRest = shares.map((_, i) => i)
    .sort((a, b) => shares[b]! % 1 - shares[a]! % 1 || a - b);
  let left = TOTAL - frequencies.reduce((a, b) => a + b, 0);
  for (const i of byRest) if (left-- > 0) frequencies[i]!++;
  return frequencies;
}

/**
 * Decodes rows of symbols one by one: the reference of `decodeStreams`, which asks it where alphabets
 * are large.
 *
 * @param row which alphabet each position of a row has
 * @param words what `encode` wrote to
 * @param bits what it returned
 * @param symbols filled
 * @param raw what follows the escapes, in their order, from index 0 on
 */
export function decode(
  { symbols: size, exact, frequencies, ends, firsts }: Alphabets,
  row: Uint16Array,
  words: Uint32Array,
  bits: number,
  symbols: Uint8Array,
  raw: Uint32Array,
): void {
  const escape = size - 1;
  let escapes = 0;
  let at = bits - STATE_BITS;
  let state = LOWEST_STATE | readBits(words, at, STATE_BITS);
  let position = 0;
  for (let i = 0; i < symbols.length; i++) {
    const alphabet = row[position]!;
    const base = alphabet * size;
    position = position + 1 === row.length ? 0 : position + 1;
    const slot = state & (TOTAL - 1);
    let place = base + firsts[alphabet << SLOT_BITS | slot >>> SLOT_SHIFT]!;
    while (slot >= ends[place]!) place++;
    const frequency = frequencies[place]!;
    state = frequency * (state >>> FREQUENCY_BITS) + slot + frequency - ends[place]!;
    const entering = Math.clz32(state) - (31 - STATE_BITS);
    if (entering > 0) {
      at -= entering;
      state = state << entering | readBits(words, at, entering);
    }
    symbols[i] = place - base;
    if (place - base === escape) {
      let byte = MORE_FOLLOWS;
      if (alphabet !== exact) {
        at -= BYTE_BITS;
        byte = readBits(words, at, BYTE_BITS);
      }
      if ((byte & MORE_FOLLOWS) === MORE_FOLLOWS) {
        at -= WORD_BITS;
        byte |= readBits(words, at, WORD_BITS) << BYTE_BITS;
      }
      raw[escapes++] = byte;
    }
  }
}

/** Sets `width` (1..16) bits at bit `at` of words that are 0 from there on. */
export function pushBits(words: Uint32Array, at: number, value: number, width: number): void {
  const index = at >>> 5;
  const shift = at & 31;
  words[index] = words[index]! | value << shift;
  if (shift + width > 32) words[index + 1] = value >>> (32 - shift);
}

/** Reads `width` (1..16) bits from bit `at` on. */
export function readBits(words: Uint32Array, at: number, width: number): number {
  const index = at >>> 5;
  const shift = at & 31;
  let value = words[index]! >>> shift;
  if (shift + width > 32) value |= words[index + 1]! << (32 - shift);
  return value & ((1 << width) - 1);
}
