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
const QUOTIENT_BITS = STATE_BITS - FREQUENCY_BITS;

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
   * `[alphabets][symbols]`: 1 over the frequency, and a little more, so that a state times it has the
   * whole part of the quotient: that lies at least `2^-12` below the next whole number.
   */
  readonly reciprocals: Float64Array<ArrayBuffer>;
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
  const reciprocals = Float64Array.from(given, (frequency) => (1 + 2 ** -40) / frequency);
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
    reciprocals,
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
 * Codes rows of symbols.
 *
 * @param row which alphabet each position of a row has
 * @param symbols as many whole rows as there are
 * @param raw what follows each escape, at the escape's place: a byte, and above it two more
 * @param words where the stream goes, behind its first bits; 0 as far as it reaches
 * @param first bits of the words that are taken already
 * @returns bits of the words that are taken then
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alphabetsOf, decode, encode } from "./entropy_coder.ts";
 *
 * // Two alphabets of three symbols; the second one's first symbol is nearly certain.
 * const alphabets = alphabetsOf(3, [1024, 2048, 1024, 4000, 95, 1]);
 * const [row, words] = [Uint16Array.of(0, 1), new Uint32Array(8)];
 * const bits = encode(alphabets, row, Uint8Array.of(1, 0, 2, 0), Uint32Array.of(0, 0, 77, 0), words);
 * assertEquals(bits, 16 + 1 + 2 + 8);
 * const [symbols, raw] = [new Uint8Array(4), new Uint32Array(4)];
 * decode(alphabets, row, words, bits, symbols, raw);
 * assertEquals([...symbols, raw[2]], [1, 0, 2, 0, 77]);
 * ```
 */
export function encode(
  { symbols: size, exact, frequencies, ends, reciprocals }: Alphabets,
  row: Uint16Array,
  symbols: Uint8Array,
  raw: Uint32Array,
  words: Uint32Array,
  first = 0,
): number {
  const escape = size - 1;
  let state = LOWEST_STATE;
  let bits = first;
  let position = row.length;
  for (let i = symbols.length - 1; i >= 0; i--) {
    position = (position === 0 ? row.length : position) - 1;
    const alphabet = row[position]!;
    const base = alphabet * size;
    const symbol = symbols[i]!;
    if (symbol === escape) {
      const byte = raw[i]! & 0xff;
      if (alphabet === exact || (byte & MORE_FOLLOWS) === MORE_FOLLOWS) {
        pushBits(words, bits, raw[i]! >>> BYTE_BITS, WORD_BITS);
        bits += WORD_BITS;
      }
      if (alphabet !== exact) {
        pushBits(words, bits, byte, BYTE_BITS);
        bits += BYTE_BITS;
      }
    }
    const frequency = frequencies[base + symbol]!;
    let leaving = Math.clz32(frequency) - (31 - FREQUENCY_BITS);
    if (state >>> leaving < frequency << QUOTIENT_BITS) leaving--;
    if (leaving > 0) {
      pushBits(words, bits, state & ((1 << leaving) - 1), leaving);
      bits += leaving;
      state >>>= leaving;
    }
    // 2^12 times the quotient, and what is left over, which is the state less the quotient's share.
    const quotient = (state * reciprocals[base + symbol]!) | 0;
    state += quotient * (TOTAL - frequency) + ends[base + symbol]! - frequency;
  }
  pushBits(words, bits, state - LOWEST_STATE, STATE_BITS);
  return bits + STATE_BITS;
}

/**
 * Decodes rows of symbols.
 *
 * @param row which alphabet each position of a row has
 * @param words what `encode` wrote to
 * @param bits what it returned
 * @param symbols filled
 * @param raw what follows each escape, at the escape's place
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
      raw[i] = byte;
      if ((byte & MORE_FOLLOWS) === MORE_FOLLOWS) {
        at -= WORD_BITS;
        raw[i]! |= readBits(words, at, WORD_BITS) << BYTE_BITS;
      }
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
