/**
 * Fields of up to 32 bits anywhere in 32-bit words, the lowest bit first: what formats need that put
 * numbers and codes of different widths into one piece.
 *
 * @module
 */

/**
 * Sets `width` (1..32) bits, which are 0 so far.
 *
 * @param byte where the piece begins
 * @param bit counted from there
 * @param value below `2^width`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { putBits, takeBits } from "./bit_fields.ts";
 *
 * const words = new Uint32Array(2);
 * putBits(words, 3, 4, 8, 0xab);
 * assertEquals([...words], [0xb0000000, 0xa]);
 * assertEquals(takeBits(words, 3, 4, 8), 0xab);
 * ```
 */
export function putBits(
  words: Uint32Array,
  byte: number,
  bit: number,
  width: number,
  value: number,
): void {
  const at = (byte & 3) * 8 + bit;
  const index = (byte >>> 2) + (at >>> 5);
  const shift = at & 31;
  words[index]! |= value << shift;
  if (shift + width > 32) words[index + 1]! |= value >>> (32 - shift);
}

/** The bits that `putBits` set. */
export function takeBits(words: Uint32Array, byte: number, bit: number, width: number): number {
  const at = (byte & 3) * 8 + bit;
  const index = (byte >>> 2) + (at >>> 5);
  const shift = at & 31;
  let value = words[index]! >>> shift;
  if (shift + width > 32) value |= words[index + 1]! << (32 - shift);
  return width === 32 ? value >>> 0 : value & ((1 << width) - 1);
}
