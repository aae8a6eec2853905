/**
 * The matrix of `transform`, as it is kept: one matrix of few bits an entry serves both ways.
 *
 * Axes are orthogonal once channels are scaled, so what turns components back is the transpose. Rows
 * are kept as whole numbers and have length 1 by definition, so that no scale goes with them. Rounded
 * rows are nearly orthogonal and no more; what that loses on the way back the way forth makes good: it
 * is the first step of an iteration that inverts the transpose (Schulz, "Iterative Berechnung der
 * reziproken Matrix", Zeitschrift für angewandte Mathematik und Mechanik 13, 1933).
 *
 * @module
 */
import type { KvKind } from "../../family.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { packRow, unpackRow, wordsPerRow } from "../../packing/bit_packing.ts";

/**
 * Bits of an entry. A rounded row lets a little of every component into its own, which matters where
 * some vary much more than others: keys do (docs/adaptive.md).
 */
export const MATRIX_BITS: Readonly<Record<KvKind, number>> = { key: 6, value: 5 };

/** The whole number that code 0 stands for is this one below 0. */
export function codeOffset(bits: number): number {
  return 2 ** (bits - 1) - 1;
}

/** Scales that make axes orthogonal, and the axes. */
export interface PackedMatrix {
  /** `[channels]`: a vector is multiplied by them before it meets the axes. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** `[axes]` rows of packed codes. */
  readonly words: Int32Array<ArrayBuffer>;
}

/**
 * Packs axes of one block.
 *
 * @param forward `[channels][channels]`: every axis, orthogonal but for a scale of each channel
 * @param chosen which axes are kept
 */
export function packMatrix(
  forward: Float32Array | Float64Array,
  channels: number,
  chosen: readonly number[],
  bits: number,
): PackedMatrix {
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = 0; i < channels; i++) sum += forward[i * channels + c]! ** 2;
    scales[c] = Math.sqrt(sum);
  }
  const perRow = wordsPerRow(channels, bits);
  const words = new Uint32Array(chosen.length * perRow);
  const codes = new Int32Array(channels);
  const offset = codeOffset(bits);
  for (const [k, axis] of chosen.entries()) {
    const row = Array.from(scales, (scale, c) => {
      const entry = forward[axis * channels + c]! / scale;
      return Number.isFinite(entry) ? entry : 0;
    });
    const top = Math.max(...row.map(Math.abs), Number.MIN_VALUE);
    row.forEach((entry, c) => codes[c] = offset + Math.round(entry / top * offset));
    packRow(codes, channels, bits, words, k * perRow);
  }
  return { scales, words: new Int32Array(words.buffer) };
}

/** The whole numbers of a packed row, and what makes its length 1. */
export function unpackAxis(
  words: Uint32Array,
  row: number,
  channels: number,
  bits: number,
  into: Int32Array,
): number {
  unpackRow(words, row * wordsPerRow(channels, bits), channels, bits, into);
  const offset = codeOffset(bits);
  let sum = 0;
  for (let c = 0; c < channels; c++) {
    into[c]! -= offset;
    sum += into[c]! ** 2;
  }
  return sum === 0 ? 0 : Math.fround(1 / Math.sqrt(sum));
}

/** One block's matrices while vectors go through them, sides padded to a multiple of 4. */
export interface UnpackedMatrix {
  /** `[axes][channels]`. */
  readonly forth: Float32Array;
  /** `[channels][axes]`. */
  readonly back: Float32Array;
}

/**
 * Unpacks what turns components back, and unless it is not asked for what turns vectors forth.
 *
 * @param words of all rows; the block's begin at row `first`
 */
export function unpackMatrix(
  words: Uint32Array,
  first: number,
  axes: number,
  channels: number,
  bits: number,
  forth: boolean,
): UnpackedMatrix {
  const [rows, width] = [paddedTo4(axes), paddedTo4(channels)];
  const unit = new Float32Array(rows * width);
  const back = new Float32Array(width * rows);
  const codes = new Int32Array(channels);
  for (let k = 0; k < axes; k++) {
    const scale = unpackAxis(words, first + k, channels, bits, codes);
    for (let c = 0; c < channels; c++) {
      back[c * rows + k] = unit[k * width + c] = codes[c]! * scale;
    }
  }
  if (!forth || rows === 0) return { forth: unit, back };
  // Twice the matrix, less what it makes of itself.
  const products = new Float32Array(rows * rows);
  rowsTimesColumns(unit, rows, unit, rows, width, products);
  const twice = new Float32Array(rows * width);
  rowsTimesColumns(products, rows, back, width, rows, twice);
  for (let i = 0; i < unit.length; i++) unit[i] = 2 * unit[i]! - twice[i]!;
  return { forth: unit, back };
}
