/**
 * Rows of the variant `"mse"` in WebAssembly with vector instructions, to the last bit what sums in
 * float64 in the order of the channels give. What those would come to is found from sums that are
 * cheaper and good to a known error; rows in which that does not settle a code, or the last bit of a
 * restored entry, are marked and left to the caller. `turboquant_rows.wat` is the source of the binary
 * beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { wordsPerRow } from "../../packing/bit_packing.ts";
import { growTo } from "../../numerics/wasm_memory.ts";
import type { TurboquantSettings, TurboquantTables } from "./turboquant_settings.ts";
import { decode, encode, memory, places } from "./turboquant_rows.wasm";

/** Rows that are handled at a time. */
export const MOST_ROWS = 128;

/** Columns that the kernels take together, each a float64 of the table. */
const COLUMNS = 16;

/** More levels are found faster one entry at a time. */
const MOST_LEVELS = 16;

/** Larger tables are further away than multiplying takes. */
const MOST_TABLE_BYTES = 2 ** 20;

/** Beyond this, and with numbers that are none, nothing is said about errors. */
const LARGEST = 2 ** 40;

/** How rows of one width are coded from rotated rows in float32. */
export interface RowCoder {
  readonly bits: number;
  /** `[headDim][headDim]`. */
  readonly rotation: Float32Array;
  /** Ascending. */
  readonly midpoints: Float32Array;
  /** What a rotated entry, or a midpoint, may be off. */
  readonly doubt: number;
}

/** How rows of one width are restored: sums of two neighbouring channels, for every pair of codes. */
export interface PairSums {
  readonly bits: number;
  /** `[headDim / 16][headDim / 2][codes of a pair][16]`; the first code of a pair is in its low bits. */
  readonly table: Float64Array;
  /** What a sum may be off. */
  readonly doubt: number;
}

/** What can be done for one head of these settings. */
export interface QuickRows {
  readonly coder: RowCoder | undefined;
  readonly sums: PairSums | undefined;
}

const known = new WeakMap<TurboquantTables, Map<number, QuickRows>>();

/** What can be done for `head`, whose tables are made once. */
export function quickRows(
  settings: TurboquantSettings,
  tables: TurboquantTables,
  head: number,
): QuickRows {
  const { headDim, variant } = settings;
  if (variant !== "mse" || tables.signs !== undefined || headDim % COLUMNS !== 0) {
    return { coder: undefined, sums: undefined };
  }
  let byWidth = known.get(tables);
  if (byWidth === undefined) known.set(tables, byWidth = new Map());
  const bits = settings.bits[head]!;
  let rows = byWidth.get(bits);
  if (rows === undefined) {
    const levels = tables.levels[head]!;
    rows = {
      coder: rowCoder(tables.rotation, levels, headDim, bits),
      sums: pairSums(tables.inverse, levels, headDim, bits),
    };
    byWidth.set(bits, rows);
  }
  return rows;
}

function rowCoder(
  rotation: Float64Array,
  levels: Float64Array,
  headDim: number,
  bits: number,
): RowCoder | undefined {
  const midpoints = Float32Array.from(
    { length: levels.length - 1 },
    (_, i) => (levels[i]! + levels[i + 1]!) / 2,
  );
  if (levels.length > MOST_LEVELS) return undefined;
  if (midpoints.some((x, i) => i > 0 && !(x >= midpoints[i - 1]!))) return undefined;
  let largest = 1;
  for (const x of midpoints) largest = Math.max(largest, Math.abs(x));
  for (let row = 0; row < headDim; row++) {
    let square = 0;
    for (let i = row * headDim; i < (row + 1) * headDim; i++) square += rotation[i]! ** 2;
    // Vectors are of length 1, so that no sum of sizes is larger.
    largest = Math.max(largest, Math.sqrt(square));
  }
  if (!(largest < LARGEST)) return undefined;
  return {
    bits,
    rotation: Float32Array.from(rotation),
    midpoints,
    // Entries, matrix and midpoints are rounded to float32, as are products, sums and the comparison.
    doubt: (headDim + 12) * 2 ** -24 * largest,
  };
}

function pairSums(
  inverse: Float64Array,
  levels: Float64Array,
  headDim: number,
  bits: number,
): PairSums | undefined {
  const pairs = headDim / 2;
  const codes = levels.length;
  if (8 * codes ** 2 * pairs * headDim > MOST_TABLE_BYTES) return undefined;
  const size = levels.reduce((most, level) => Math.max(most, Math.abs(level)), 0);
  let largest = 0;
  for (let row = 0; row < headDim; row++) {
    let sum = 0;
    for (let i = row * headDim; i < (row + 1) * headDim; i++) sum += size * Math.abs(inverse[i]!);
    largest = Math.max(largest, sum);
  }
  if (!(largest < LARGEST)) return undefined;
  const table = new Float64Array(codes ** 2 * pairs * headDim);
  let at = 0;
  for (let from = 0; from < headDim; from += COLUMNS) {
    for (let i = 0; i < headDim; i += 2) {
      for (let pair = 0; pair < codes ** 2; pair++) {
        const [first, second] = [levels[pair % codes]!, levels[Math.floor(pair / codes)]!];
        for (let c = from; c < from + COLUMNS; c++) {
          const row = c * headDim + i;
          table[at++] = first * inverse[row]! + second * inverse[row + 1]!;
        }
      }
    }
  }
  // Sums in either order are off by at most so many roundings of the sum of sizes, and the products
  // with a row's length by one each.
  return { bits, table, doubt: (2 * headDim + 8) * 2 ** -53 * largest };
}

/** Places in the kernels' memory, one behind the other. */
class Places {
  #end = 0;

  next(bytes: number): number {
    const at = this.#end;
    // A multiple of 64, with room for a word that is read beyond the last one.
    this.#end = (at + bytes + 4 + 63) & ~63;
    growTo(memory, this.#end);
    return at;
  }

  get end(): number {
    return this.#end;
  }
}

/** The table that is in the kernels' memory. */
let loaded: { readonly table: Float64Array; readonly at: number } | undefined;

/**
 * Codes rows.
 *
 * @param rows rotated, `[count][headDim]`
 * @param words of the first row begin at `at`, those of the next `stride` further
 * @returns 1 for each row that has an entry whose code is in doubt
 */
export function encodeRows(
  rows: Float32Array,
  count: number,
  { bits, midpoints, doubt }: RowCoder,
  words: Uint32Array,
  at: number,
  stride: number,
): Uint8Array {
  const width = rows.length / count;
  const rowWords = wordsPerRow(width, bits);
  const layout = new Places();
  const rowsAt = layout.next(rows.byteLength);
  const midpointsAt = layout.next(midpoints.byteLength);
  const wordsAt = layout.next(4 * count * rowWords);
  const doubtfulAt = layout.next(count);
  if (loaded !== undefined && layout.end > loaded.at) loaded = undefined;
  const { buffer } = memory;
  new Float32Array(buffer, rowsAt, rows.length).set(rows);
  new Float32Array(buffer, midpointsAt, midpoints.length).set(midpoints);
  encode(
    rowsAt,
    count,
    width,
    midpointsAt,
    midpoints.length,
    doubt,
    bits,
    wordsAt,
    4 * rowWords,
    doubtfulAt,
  );
  const packed = new Uint32Array(buffer, wordsAt, count * rowWords);
  for (let row = 0, from = 0; row < count; row++) {
    for (let to = at + row * stride, end = to + rowWords; to < end;) words[to++] = packed[from++]!;
  }
  return new Uint8Array(buffer, doubtfulAt, count);
}

/**
 * Restores rows.
 *
 * @param words of the first row begin at `at`, those of the next `stride` further
 * @param lengths `[count]`
 * @param out `[count][headDim]`, overwritten
 * @returns 1 for each row that has an entry whose last bit is in doubt
 */
export function decodeRows(
  words: Uint32Array,
  at: number,
  stride: number,
  count: number,
  { bits, table, doubt }: PairSums,
  lengths: Float64Array,
  out: Float32Array,
): Uint8Array {
  const width = out.length / count;
  const pairs = width / 2;
  const rowWords = wordsPerRow(width, bits);
  const layout = new Places();
  const wordsAt = layout.next(4 * MOST_ROWS * rowWords);
  const placesAt = layout.next(4 * MOST_ROWS * pairs);
  const lengthsAt = layout.next(8 * MOST_ROWS);
  const outAt = layout.next(4 * MOST_ROWS * width);
  const doubtfulAt = layout.next(MOST_ROWS);
  const tableAt = layout.next(table.byteLength);
  const { buffer } = memory;
  if (loaded?.table !== table || loaded.at !== tableAt) {
    new Float64Array(buffer, tableAt, table.length).set(table);
    loaded = { table, at: tableAt };
  }
  const packed = new Uint32Array(buffer, wordsAt, count * rowWords);
  for (let row = 0, to = 0; row < count; row++) {
    for (let from = at + row * stride, end = from + rowWords; from < end;) {
      packed[to++] = words[from++]!;
    }
  }
  new Float64Array(buffer, lengthsAt, count).set(lengths.subarray(0, count));
  const doubtful = new Uint8Array(buffer, doubtfulAt, count);
  // Of no length there is nothing that could be off, and the sign of 0 hangs on the sum.
  for (let row = 0; row < count; row++) doubtful[row] = lengths[row]! > 0 ? 0 : 1;
  places(wordsAt, 4 * rowWords, count, pairs, 2 * bits, placesAt);
  const blockBytes = COLUMNS * table.byteLength / width;
  for (let block = 0; block < width / COLUMNS; block++) {
    decode(
      placesAt,
      count,
      pairs,
      tableAt + block * blockBytes,
      lengthsAt,
      doubt,
      outAt + 4 * COLUMNS * block,
      4 * width,
      doubtfulAt,
    );
  }
  out.set(new Float32Array(buffer, outAt, count * width));
  return doubtful;
}
