/**
 * Streams of the entropy coder, in WebAssembly: one is written at a time, four are read side by side.
 * `entropy_streams.wat` is the source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { growTo, memoryViews } from "../numerics/wasm_memory.ts";
import {
  type Alphabets,
  decode,
  FREQUENCY_BITS,
  QUOTIENT_BITS,
  STATE_BITS,
} from "./entropy_coder.ts";
import { decode4, encode as encodeInMemory, memory } from "./entropy_streams.wasm";

/** Streams that are read side by side. */
const LANES = 4;
/** Bytes that say where everything of a stream is. */
const LANE_BYTES = 20;
/** Symbols of an alphabet that the reader takes, at most. */
const MOST_SYMBOLS = 16;
/** Bytes of a symbol for the writer, and of an alphabet for the reader. */
const ENTRY_BYTES = 16;
const ALPHABET_BYTES = (2 + 4) * MOST_SYMBOLS;

const TOTAL = 1 << FREQUENCY_BITS;

/** Where the tables of alphabets begin in memory: the writer's, and the reader's where it has any. */
interface Place {
  readonly entries: number;
  readonly alphabets: number;
}

const places = new WeakMap<Alphabets, Place>();
let free = 0;

/** Bytes from the next whole 8 on. */
function take(bytes: number): number {
  const at = free;
  free += (bytes + 7) & ~7;
  growTo(memory, free);
  return at;
}

function placeOf(alphabets: Alphabets): Place {
  let place = places.get(alphabets);
  if (place === undefined) {
    const { symbols, frequencies } = alphabets;
    place = {
      entries: take(ENTRY_BYTES * frequencies.length),
      alphabets: symbols > MOST_SYMBOLS ? -1 : take(ALPHABET_BYTES * frequencies.length / symbols),
    };
    writeEntries(alphabets, place.entries);
    if (symbols <= MOST_SYMBOLS) writeAlphabets(alphabets, place.alphabets);
    places.set(alphabets, place);
  }
  return place;
}

function writeEntries({ frequencies, ends }: Alphabets, at: number): void {
  const words = new Int32Array(memory.buffer, at, 4 * frequencies.length);
  for (const [i, frequency] of frequencies.entries()) {
    // A symbol that does not occur is not coded.
    if (frequency === 0) continue;
    // A state has leading bits too many where it is this large, and one less where it is not.
    const most = Math.clz32(frequency) - (31 - FREQUENCY_BITS);
    const from = frequency << (QUOTIENT_BITS + most);
    // What is above the exact reciprocal, times any state, is too little for the next whole number.
    words[4 * i] = Math.ceil(2 ** 31 / frequency);
    words[4 * i + 1] = (most << (STATE_BITS + 1)) - from;
    words[4 * i + 2] = TOTAL - frequency;
    words[4 * i + 3] = ends[i]! - frequency;
  }
}

function writeAlphabets({ symbols, frequencies, ends }: Alphabets, at: number): void {
  for (let alphabet = 0; alphabet < frequencies.length / symbols; alphabet++) {
    const sums = new Uint16Array(memory.buffer, at + alphabet * ALPHABET_BYTES, MOST_SYMBOLS);
    const of = new Uint32Array(memory.buffer, sums.byteOffset + sums.byteLength, MOST_SYMBOLS);
    // Behind the symbols is more than any slot.
    sums.fill(TOTAL);
    for (let symbol = 0; symbol < symbols; symbol++) {
      const i = alphabet * symbols + symbol;
      sums[symbol] = ends[i]!;
      of[symbol] = frequencies[i]! | (ends[i]! - frequencies[i]!) << 16;
    }
  }
}

/**
 * Codes rows of symbols.
 *
 * @param row which alphabet each position of a row has
 * @param symbols as many whole rows as there are
 * @param raw what follows the escapes, in their order: a byte each, and above it two more
 * @param words where the stream goes, behind its first bits; 0 as far as it reaches
 * @param first bits of the words that are taken already
 * @returns bits of the words that are taken then
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alphabetsOf } from "./entropy_coder.ts";
 * import { decodeStreams, encode } from "./entropy_streams.ts";
 *
 * // Two alphabets of three symbols; the second one's first symbol is nearly certain.
 * const alphabets = alphabetsOf(3, [1024, 2048, 1024, 4000, 95, 1]);
 * const [row, words] = [Uint16Array.of(0, 1), new Uint32Array(8)];
 * const bits = encode(alphabets, row, Uint8Array.of(1, 0, 2, 0), Uint32Array.of(77), words);
 * assertEquals(bits, 16 + 1 + 2 + 8);
 * const [symbols, raw] = [new Uint8Array(4), new Uint32Array(1)];
 * decodeStreams(alphabets, [{ row, words, bits, symbols, raw }]);
 * assertEquals([...symbols, ...raw], [1, 0, 2, 0, 77]);
 * ```
 */
export function encode(
  alphabets: Alphabets,
  row: Uint16Array,
  symbols: Uint8Array,
  raw: Uint32Array,
  words: Uint32Array,
  first = 0,
): number {
  const { entries } = placeOf(alphabets);
  const bytes = ENTRY_BYTES * alphabets.symbols;
  const rowAt = free;
  const rawAt = rowAt + 4 * row.length;
  const wordsAt = rawAt + 4 * raw.length;
  // What a symbol and what follows it may take, and the state; whatever is written is written in eights.
  const mostBits = symbols.length * FREQUENCY_BITS + 24 * raw.length + first + STATE_BITS;
  const symbolsAt = wordsAt + 4 * Math.ceil(mostBits / 32) + 8;
  const { bytes: inBytes, words: inMemory } = memoryViews(memory, symbolsAt + symbols.length);
  for (let k = 0, at = rowAt >> 2; k < row.length; k++) inMemory[at++] = entries + row[k]! * bytes;
  inMemory.set(raw, rawAt >> 2);
  inMemory.set(words.subarray(0, Math.ceil(first / 32)), wordsAt >> 2);
  inBytes.set(symbols, symbolsAt);
  const bits = encodeInMemory(
    rowAt,
    row.length,
    symbolsAt,
    wordsAt,
    symbols.length,
    alphabets.symbols - 1,
    alphabets.exact < 0 ? -1 : entries + alphabets.exact * bytes,
    wordsAt,
    first,
  );
  words.set(inMemory.subarray(wordsAt >> 2, (wordsAt >> 2) + Math.ceil(bits / 32)));
  return bits;
}

/** A stream that is to be read. */
export interface CodedStream {
  /** Which alphabet each position of a row has. */
  readonly row: Uint16Array;
  /** What `encode` wrote to. */
  readonly words: Uint32Array;
  /** What it returned. */
  readonly bits: number;
  /** Filled: as many whole rows as there are. */
  readonly symbols: Uint8Array;
  /** What follows the escapes, in their order, from index 0 on. */
  readonly raw: Uint32Array;
}

/** Decodes streams that have rows, and as many of them, alike. */
export function decodeStreams(alphabets: Alphabets, streams: readonly CodedStream[]): void {
  const { symbols: size, exact } = alphabets;
  const count = streams[0]?.symbols.length ?? 0;
  if (count === 0) return;
  if (size > MOST_SYMBOLS) {
    for (const { row, words, bits, symbols, raw } of streams) {
      decode(alphabets, row, words, bits, symbols, raw);
    }
    return;
  }
  const place = placeOf(alphabets).alphabets;
  const width = streams[0]!.row.length;
  const ceil8 = (bytes: number) => (bytes + 7) & ~7;
  for (let first = 0; first < streams.length; first += LANES) {
    const lanes = streams.slice(first, first + LANES);
    // The same stream again where there are fewer, to be read for nothing.
    const read = Array.from({ length: LANES }, (_, lane) => lanes[lane] ?? lanes[0]!);
    const longest = Math.max(...lanes.map(({ bits }) => Math.ceil(bits / 32)));
    const [rowBytes, rawBytes] = [ceil8(4 * width), ceil8(4 * count)];
    const wordBytes = ceil8(4 * longest + 4);
    const rowsAt = free + ceil8(LANES * LANE_BYTES);
    const rawsAt = rowsAt + LANES * rowBytes;
    const wordsAt = rawsAt + LANES * rawBytes;
    const symbolsAt = wordsAt + LANES * wordBytes;
    const { bytes, words: all } = memoryViews(memory, symbolsAt + LANES * count);
    for (const [lane, { row, words, bits }] of read.entries()) {
      const at = (free + lane * LANE_BYTES) >> 2;
      all[at] = wordsAt + lane * wordBytes;
      all[at + 1] = bits;
      all[at + 2] = rowsAt + lane * rowBytes;
      all[at + 3] = symbolsAt + lane * count;
      all[at + 4] = rawsAt + lane * rawBytes;
      let to = all[at + 2]! >> 2;
      for (let k = 0; k < width; k++) all[to++] = place + row[k]! * ALPHABET_BYTES;
      all.set(words.subarray(0, Math.ceil(bits / 32)), all[at]! >> 2);
    }
    decode4(
      free,
      count / width,
      width,
      size - 1,
      exact < 0 ? -1 : place + exact * ALPHABET_BYTES,
    );
    for (const [lane, { symbols, raw }] of lanes.entries()) {
      symbols.set(bytes.subarray(symbolsAt + lane * count, symbolsAt + (lane + 1) * count));
      const from = rawsAt + lane * rawBytes;
      raw.set(all.subarray(from >> 2, all[(free + lane * LANE_BYTES >> 2) + 4]! >> 2));
    }
  }
}
