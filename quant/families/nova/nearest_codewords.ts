/**
 * The nearest codewords of many rows, in WebAssembly with vector instructions, to the last bit what
 * `nearestCodeword` finds one by one: where float32 cannot tell two of them apart, that is asked.
 * `nearest_codewords.wat` is the source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { growTo } from "../../numerics/wasm_memory.ts";
import { find, memory } from "./nearest_codewords.wasm";
import { GROUP } from "./nova_settings.ts";

/** Codewords that are looked at side by side, and the bytes that they take with their indices. */
const LANES = 4;
const CHUNK_BYTES = 16 * (GROUP + 1);
/** Chunks that the kernel looks at first, so that there must be as many. */
const LEAST_CHUNKS = 3;
/** Ranges that the component which codewords are ordered by is divided into. */
const RANGES = 64;
/** Beyond all rows. */
const NOWHERE = 1e30;
/** Where the kernel puts what it looks at lane by lane. */
const SCRATCH_BYTES = 16;
/** What the kernel says where it cannot tell. */
const UNKNOWN = 0xffff;

/** Where the kernel finds codewords, and by what it looks for them. */
interface Prepared {
  /** The two tables of ranges, then chunks. */
  readonly bytes: Uint8Array;
  readonly chunks: number;
  readonly along: number;
  readonly low: number;
  readonly perUnit: number;
}

/** The nearest codeword to four numbers, the first of equals. */
export function nearestCodeword(row: ArrayLike<number>, at: number, words: Float64Array): number {
  const [a, b, c, d] = [row[at]!, row[at + 1]!, row[at + 2]!, row[at + 3]!];
  let [least, found] = [Infinity, 0];
  for (let i = 0, w = 0; w < words.length; i++, w += GROUP) {
    const [p, q] = [a - words[w]!, b - words[w + 1]!];
    const half = p * p + q * q;
    if (half >= least) continue;
    const [r, s] = [c - words[w + 2]!, d - words[w + 3]!];
    const distance = half + r * r + s * s;
    if (distance < least) [least, found] = [distance, i];
  }
  return found;
}

/** Rows that all groups of components are searched for, before the next ones are. */
const TILE = 256;

/**
 * Codewords of the groups of components of a row, ready to be searched.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CodewordFinder } from "./nearest_codewords.ts";
 *
 * const finder = new CodewordFinder([Float64Array.of(0, 0, 0, 0, 1, 2, 3, 4)]);
 * const codes = new Uint8Array(2);
 * finder.find(Float32Array.of(1, 2, 3, 3, 0, 1, 0, 0), 2, codes, 1);
 * assertEquals([...codes], [1, 0]);
 * ```
 */
export class CodewordFinder {
  readonly #prepared: readonly Prepared[];

  /** @param books of every group `[codeword][4]`, at least one, none far from the unit of its rows */
  constructor(private readonly books: readonly Float64Array[]) {
    this.#prepared = books.map(prepare);
  }

  /**
   * Finds the nearest codewords of each row, the first of equals.
   *
   * @param rows `[count][groups][4]`, none of them far beyond the unit
   * @param codes of a row's groups one behind the other, of rows `step` apart
   */
  find(
    rows: Float32Array | Float64Array,
    count: number,
    codes: Uint8Array,
    step: number,
  ): void {
    const groups = this.books.length;
    const channels = groups * GROUP;
    const foundAt = SCRATCH_BYTES;
    const rowsAt = foundAt + 2 * TILE * groups;
    const booksAt = rowsAt + 4 * TILE * channels;
    const bytes = this.#prepared.reduce((sum, { bytes }) => sum + bytes.length, 0);
    growTo(memory, booksAt + bytes);
    const [all, floats] = [new Uint8Array(memory.buffer), new Float32Array(memory.buffer)];
    const found = new Uint16Array(memory.buffer, foundAt, TILE * groups);
    let bookAt = booksAt;
    for (const { bytes } of this.#prepared) {
      all.set(bytes, bookAt);
      bookAt += bytes.length;
    }
    for (let first = 0; first < count; first += TILE) {
      const tile = Math.min(TILE, count - first);
      floats.set(rows.subarray(first * channels, (first + tile) * channels), rowsAt / 4);
      bookAt = booksAt;
      for (const [g, { bytes, chunks, along, low, perUnit }] of this.#prepared.entries()) {
        find(
          rowsAt + 4 * GROUP * g,
          tile,
          4 * channels,
          foundAt + 2 * g,
          2 * groups,
          bookAt + 2 * RANGES,
          chunks,
          bookAt,
          bookAt + RANGES,
          4 * along,
          low,
          perUnit,
          0,
        );
        bookAt += bytes.length;
      }
      for (let t = 0, i = 0; t < tile; t++) {
        const at = (first + t) * step;
        for (let g = 0; g < groups; g++, i++) {
          codes[at + g] = found[i] === UNKNOWN
            ? nearestCodeword(rows, (first + t) * channels + g * GROUP, this.books[g]!)
            : found[i]!;
        }
      }
    }
  }
}

function prepare(words: Float64Array): Prepared {
  const count = words.length / GROUP;
  const spreads = Array.from({ length: GROUP }, (_, d) => spread(words, d));
  const along = spreads.indexOf(Math.max(...spreads));
  const differs = (i: number, j: number) => {
    for (let d = 0; d < GROUP; d++) {
      const component = (along + d) % GROUP;
      const difference = words[i * GROUP + component]! - words[j * GROUP + component]!;
      if (difference !== 0) return difference;
    }
    return 0;
  };
  const order = Array.from({ length: count }, (_, i) => i).sort((i, j) => differs(i, j) || i - j);
  // Of codewords that are alike the first is found.
  const distinct = order.filter((i, place) => place === 0 || differs(i, order[place - 1]!) !== 0);
  const value = (i: number) => words[i * GROUP + along]!;
  const low = Math.fround(value(distinct[0]!));
  const high = Math.fround(value(distinct.at(-1)!));
  const perUnit = high > low ? Math.fround(RANGES / (high - low)) : 0;
  const rangeOf = (x: number) =>
    Math.trunc(Math.min(RANGES - 1, Math.fround(Math.fround(Math.fround(x) - low) * perUnit)));

  const chunks = Math.max(LEAST_CHUNKS, Math.ceil(distinct.length / LANES));
  const bytes = new Uint8Array(2 * RANGES + chunks * CHUNK_BYTES);
  const [floats, indices] = [new Float32Array(bytes.buffer), new Int32Array(bytes.buffer)];
  const [starts, ends] = [bytes.subarray(0, RANGES), bytes.subarray(RANGES, 2 * RANGES)];
  starts.fill(chunks - 1);
  for (let k = chunks * LANES - 1; k >= 0; k--) {
    const chunk = Math.floor(k / LANES);
    const at = (2 * RANGES + chunk * CHUNK_BYTES) / 4 + k % LANES;
    const word = distinct[k];
    for (let d = 0; d < GROUP; d++) {
      floats[at + d * LANES] = word === undefined ? NOWHERE : words[word * GROUP + d]!;
    }
    indices[at + GROUP * LANES] = word ?? 0;
    if (word !== undefined) starts.fill(chunk, 0, rangeOf(value(word)) + 1);
  }
  for (const [k, word] of distinct.entries()) {
    ends.fill(Math.floor(k / LANES) + 1, rangeOf(value(word)));
  }
  return { bytes, chunks, along, low, perUnit };
}

/** Mean square of a component of codewords about its mean. */
function spread(words: Float64Array, component: number): number {
  let [sum, squares] = [0, 0];
  for (let i = component; i < words.length; i += GROUP) {
    sum += words[i]!;
    squares += words[i]! ** 2;
  }
  const count = words.length / GROUP;
  return squares / count - (sum / count) ** 2;
}
