/**
 * Rows of codes as a bit stream in 32-bit words: code `i` of a row starts at bit `i * bits`, the
 * first code in the lowest bits of the first word, and a row starts on a word of its own. Codes of
 * 3, 5, 6 and 7 bits may straddle two words. For 1, 2, 4 and 8 bits this is the word order of
 * jy-yuan/KIVI, quant/new_pack.py.
 *
 * @module
 */

/**
 * Words that a row of `count` codes of `bits` bits (1..8) takes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wordsPerRow } from "./bit_packing.ts";
 *
 * assertEquals(wordsPerRow(64, 2), 4);
 * assertEquals(wordsPerRow(11, 3), 2);
 * ```
 */
export function wordsPerRow(count: number, bits: number): number {
  return Math.ceil(count * bits / 32);
}

/**
 * Packs `count` codes of `bits` bits (1..8, each code below `2^bits`) into `words` from index `at`;
 * unused high bits of the last word are zero.
 */
export function packRow(
  codes: Int32Array,
  count: number,
  bits: number,
  words: Uint32Array,
  at: number,
): void {
  const perWord = 32 / bits;
  let i = 0;
  if (Number.isInteger(perWord)) {
    // Whole words first: no code straddles.
    for (; i + perWord <= count; i += perWord) {
      let word = 0;
      for (let shift = 0, j = i; shift < 32; shift += bits, j++) word |= codes[j]! << shift;
      words[at++] = word;
    }
  }
  let word = 0;
  let shift = 0;
  for (; i < count; i++) {
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
  if (shift > 0) words[at] = word;
}

/** Unpacks `count` codes of `bits` bits (1..8) of the row that starts at `words[at]` into `codes`. */
export function unpackRow(
  words: Uint32Array,
  at: number,
  count: number,
  bits: number,
  codes: Int32Array,
): void {
  const mask = (1 << bits) - 1;
  const perWord = 32 / bits;
  let i = 0;
  if (Number.isInteger(perWord)) {
    for (; i + perWord <= count; i += perWord) {
      const word = words[at++]!;
      for (let shift = 0, j = i; shift < 32; shift += bits, j++) codes[j] = (word >>> shift) & mask;
    }
  }
  // Two words at a time, branch-free, as long as there is a second word.
  let bit = 0;
  for (const inside = 32 * (wordsPerRow(count - i, bits) - 1); bit < inside; i++, bit += bits) {
    const index = at + (bit >>> 5);
    const shift = bit & 31;
    codes[i] = (words[index]! >>> shift | words[index + 1]! << 1 << (31 - shift)) & mask;
  }
  for (; i < count; i++, bit += bits) codes[i] = (words[at + (bit >>> 5)]! >>> (bit & 31)) & mask;
}
