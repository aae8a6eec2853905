/**
 * Codes and numbers of a block of a row, to bytes and back (row_format.ts has their order). Both
 * orders of codes fill whole bytes, the lowest bits first.
 *
 * @module
 */

/** Packs codes of `width` bits (1..16), code `i` from bit `i * width` on. */
export function packStream(codes: Int32Array, width: number, bytes: Uint8Array, at: number): void {
  const count = codes.length;
  if (width === 8) {
    for (let i = 0; i < count; i++) bytes[at + i] = codes[i]!;
    return;
  }
  if (width === 4) {
    for (let i = 0; i < count; i += 2) bytes[at++] = codes[i]! | codes[i + 1]! << 4;
    return;
  }
  let held = 0;
  let bits = 0;
  for (let i = 0; i < count; i++) {
    held |= codes[i]! << bits;
    for (bits += width; bits >= 8; bits -= 8) {
      bytes[at++] = held;
      held >>>= 8;
    }
  }
}

/** Unpacks what `packStream` packed. */
export function unpackStream(
  bytes: Uint8Array,
  at: number,
  width: number,
  codes: Int32Array,
): void {
  const count = codes.length;
  if (width === 8) {
    for (let i = 0; i < count; i++) codes[i] = bytes[at + i]!;
    return;
  }
  if (width === 4) {
    for (let i = 0; i < count; i += 2) {
      const byte = bytes[at++]!;
      codes[i] = byte & 15;
      codes[i + 1] = byte >>> 4;
    }
    return;
  }
  const mask = (1 << width) - 1;
  let held = 0;
  let bits = 0;
  for (let i = 0; i < count; i++) {
    for (; bits < width; bits += 8) held |= bytes[at++]! << bits;
    codes[i] = held & mask;
    held >>>= width;
    bits -= width;
  }
}

/**
 * Packs codes of 4 or 5 bits in ggml's order: the fifth bits as a stream, then bytes with the low four
 * bits of code `i` in their lower half and those of code `i + codes.length / 2` in the upper one.
 */
export function packHalves(codes: Int32Array, width: number, bytes: Uint8Array, at: number): void {
  const half = codes.length / 2;
  if (width === 5) {
    for (let i = 0; i < codes.length; i += 8) {
      let byte = 0;
      for (let j = 0; j < 8; j++) byte |= codes[i + j]! >>> 4 << j;
      bytes[at++] = byte;
    }
  }
  for (let i = 0; i < half; i++) bytes[at + i] = codes[i]! & 15 | codes[i + half]! << 4;
}

/** Unpacks what `packHalves` packed. */
export function unpackHalves(
  bytes: Uint8Array,
  at: number,
  width: number,
  codes: Int32Array,
): void {
  const half = codes.length / 2;
  const nibbles = at + (width === 5 ? codes.length / 8 : 0);
  for (let i = 0; i < half; i++) {
    const byte = bytes[nibbles + i]!;
    codes[i] = byte & 15;
    codes[i + half] = byte >>> 4;
  }
  if (width !== 5) return;
  for (let i = 0; i < codes.length; i += 8) {
    const byte = bytes[at++]!;
    for (let j = 0; j < 8; j++) codes[i + j]! |= (byte >>> j & 1) << 4;
  }
}

/** Puts a number of 8, 16 or 32 bits. */
export function putNumber(value: number, width: number, bytes: Uint8Array, at: number): void {
  for (let shift = 0; shift < width; shift += 8) bytes[at++] = value >>> shift;
}

/** The number that `putNumber` put. */
export function takeNumber(width: number, bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let shift = 0; shift < width; shift += 8) value |= bytes[at++]! << shift;
  return value >>> 0;
}
