/**
 * The matrix of `transform`, as it is kept: one matrix of few bits an entry serves both ways.
 *
 * Axes are orthogonal once channels are scaled, so what turns components back is the transpose. Rows
 * are kept as whole numbers and have length 1 by definition, so that no scale goes with them. Rounded
 * rows are nearly orthogonal and no more; what that loses on the way back the way forth makes good: it
 * is the beginning of the series that inverts the transpose (Neumann's, as in Golub and Van Loan,
 * "Matrix Computations", 4th edition, 2.3.4).
 *
 * With an inverse, what a component lets into others does not follow from their axes but from its own,
 * and is as large as it varies. So the axes along which most happens have the most bits.
 *
 * @module
 */
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { packRow, unpackRow, wordsPerRow } from "../../packing/bit_packing.ts";

/**
 * Bits of an entry in each eighth of a block's axes, in order of decreasing variance
 * (docs/adaptive.md).
 */
const AXIS_BITS: readonly number[] = [7, 6, 5, 4, 4, 3, 3, 3];

/** Terms of the series behind the first: what is left of an error is its power of one more. */
export const SERIES_TERMS = 3;

/** Bits of an entry of the axis that is stored in this place of a block with so many channels. */
export function axisBits(place: number, channels: number): number {
  return AXIS_BITS[Math.floor(AXIS_BITS.length * place / channels)]!;
}

/** Words of the first so many stored axes of a block. */
export function axisWords(axes: number, channels: number): number {
  let words = 0;
  for (let k = 0; k < axes; k++) words += wordsPerRow(channels, axisBits(k, channels));
  return words;
}

/** The whole number that code 0 stands for is this one below 0. */
function codeOffset(bits: number): number {
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
): PackedMatrix {
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = 0; i < channels; i++) sum += forward[i * channels + c]! ** 2;
    scales[c] = Math.sqrt(sum);
  }
  const words = new Uint32Array(axisWords(chosen.length, channels));
  let at = 0;
  for (const [k, axis] of chosen.entries()) {
    const bits = axisBits(k, channels);
    const row = Float64Array.from(scales, (scale, c) => {
      const entry = forward[axis * channels + c]! / scale;
      return Number.isFinite(entry) ? entry : 0;
    });
    packRow(closestCodes(row, codeOffset(bits)), channels, bits, words, at);
    at += wordsPerRow(channels, bits);
  }
  return { scales, words: new Int32Array(words.buffer) };
}

/** Shares of the largest entry that the largest number is tried for. */
const REACHES: readonly number[] = Array.from({ length: 25 }, (_, i) => 1 - i / 40);

/** Codes of whole numbers up to `most` to each side whose direction is closest to a row's. */
function closestCodes(row: Float64Array, most: number): Int32Array {
  const top = row.reduce((largest, entry) => Math.max(largest, Math.abs(entry)), 0);
  let best = new Int32Array(row.length).fill(most);
  let closest = 0;
  for (const reach of REACHES) {
    const unit = reach * top / most;
    const codes = new Int32Array(row.length);
    let along = 0, square = 0;
    for (let c = 0; c < row.length; c++) {
      const whole = Math.max(-most, Math.min(most, Math.round(row[c]! / unit))) || 0;
      codes[c] = most + whole;
      along += whole * row[c]!;
      square += whole * whole;
    }
    const cosine = along / Math.sqrt(square);
    if (cosine > closest) [best, closest] = [codes, cosine];
  }
  return best;
}

/** The whole numbers of a packed row that begins at a word, and what makes its length 1. */
export function unpackAxis(
  words: Uint32Array,
  at: number,
  channels: number,
  bits: number,
  into: Int32Array,
): number {
  unpackRow(words, at, channels, bits, into);
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
 * Unpacks axes.
 *
 * @param words of all blocks; the block's begin at word `at`
 * @returns `[axes][channels]`, both padded to a multiple of 4
 */
export function unpackAxes(
  words: Uint32Array,
  at: number,
  axes: number,
  channels: number,
): Float32Array {
  const width = paddedTo4(channels);
  const unit = new Float32Array(paddedTo4(axes) * width);
  const codes = new Int32Array(channels);
  for (let k = 0; k < axes; k++) {
    const bits = axisBits(k, channels);
    const scale = unpackAxis(words, at, channels, bits, codes);
    at += wordsPerRow(channels, bits);
    for (let c = 0; c < channels; c++) unit[k * width + c] = codes[c]! * scale;
  }
  return unit;
}

/**
 * Unpacks what turns vectors forth, and components back.
 *
 * @param words of all blocks; the block's begin at word `at`
 */
export function unpackMatrix(
  words: Uint32Array,
  at: number,
  axes: number,
  channels: number,
): UnpackedMatrix {
  const [rows, width] = [paddedTo4(axes), paddedTo4(channels)];
  const unit = unpackAxes(words, at, axes, channels);
  const back = new Float32Array(width * rows);
  for (let k = 0; k < axes; k++) {
    for (let c = 0; c < channels; c++) back[c * rows + k] = unit[k * width + c]!;
  }
  if (rows === 0) return { forth: unit, back };
  // What the axes make of themselves, off the identity: each term of the series takes it once more.
  const rest = new Float32Array(rows * rows);
  rowsTimesColumns(unit, rows, unit, rows, width, rest);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) rest[i * rows + j] = (i === j ? 1 : 0) - rest[i * rows + j]!;
  }
  const sum = unit.slice();
  const taken = new Float32Array(rows * width);
  const columns = new Float32Array(width * rows);
  for (let term = 0; term < SERIES_TERMS; term++) {
    for (let k = 0; k < rows; k++) {
      for (let c = 0; c < width; c++) columns[c * rows + k] = sum[k * width + c]!;
    }
    rowsTimesColumns(rest, rows, columns, width, rows, taken);
    for (let i = 0; i < sum.length; i++) sum[i] = unit[i]! + taken[i]!;
  }
  return { forth: sum, back };
}
