/**
 * How `transform` lays out its tokens: 16 tokens make a group, and the symbols of all their components,
 * token after token, one stream (packing/entropy_coder.ts). Streams lie behind each other, each from a
 * word's first bit on; a second buffer says in which bit each one ends. A stream begins with its level:
 * how much coarser its steps are than they were planned.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { StoredBuffer } from "../../family.ts";
import { bfloat16Bits, fromBfloat16Bits } from "../../packing/bfloat16.ts";
import { BYTE_BITS, FREQUENCY_BITS, STATE_BITS, WORD_BITS } from "../../packing/entropy_coder.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";
import {
  CERTAIN_ESCAPE,
  coarserTable,
  type SharedAlphabets,
  sharedAlphabets,
} from "./component_alphabets.ts";
import { alphabetSize } from "./component_codes.ts";
import { blockHeads } from "./transform_axes.ts";
import { axisWords } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Tokens whose codes form one stream. */
export const GROUP_TOKENS = 16;

/** Bits of a stream that say its level. */
export const LEVEL_BITS = 4;

/** Quarters of an octave that steps are coarser by than planned, level after level. */
const LEVEL_QUARTERS: readonly number[] = [-8, -6, -4, -2, 0, 2, 4, 6, 8, 12, 16];

/** The level at which steps are as planned. */
export const PLANNED_LEVEL = LEVEL_QUARTERS.indexOf(0);

/** What steps are multiplied by, level after level. */
export const LEVEL_FACTORS: readonly number[] = LEVEL_QUARTERS.map((quarters) =>
  Math.fround(2 ** (quarters / 4))
);

/** The level at which nothing is coded: every token is the mean. */
export const NOTHING_CODED = LEVEL_FACTORS.length;

/** Stored components that fit their tables to a group together. */
export const BAND_COMPONENTS = 8;

/** Bits that say by how much a band's tables are shifted in a group. */
export const SHIFT_BITS = 3;

/** Quarters of an octave that a band's tables are shifted by: below 0 where it holds more than planned. */
export const SHIFT_QUARTERS: readonly number[] = [-8, -5, -2, 0, 2, 4, 7, 11];

/** Bands of so many stored components. */
export function bandsOf(stored: number): number {
  return Math.ceil(stored / BAND_COMPONENTS);
}

/** What a group takes at least: a word of its stream, and one for its end. */
export const LEAST_GROUP_BITS = 64;

/** All but sinks and window, in whole groups. */
export function transformRange(settings: TransformSettings, n: number): TokenRange {
  const { from, to } = slidingWindow(n, settings.residualLength, settings.sinkTokens);
  return { from, to: to - (to - from) % GROUP_TOKENS };
}

/** One block of heads: its components that are stored, and where they lie. */
export interface TransformBlock {
  readonly firstHead: number;
  readonly heads: number;
  /** Channels of the block. */
  readonly channels: number;
  /** How many components of the block are stored. */
  readonly components: number;
  /** Place of the first of them among a token's stored components. */
  readonly first: number;
  /** Word of the matrix that their axes begin with. */
  readonly firstWord: number;
}

/** Layout and model constants of one layer and kind. */
export interface TransformLayout {
  readonly blocks: readonly TransformBlock[];
  /** Stored components of a token. */
  readonly stored: number;
  /** `[heads * headDim]`, bfloat16. */
  readonly mean: Uint16Array<ArrayBuffer>;
  /**
   * What channels are multiplied by before they meet the axes, bfloat16: `[heads * headDim]`, or one
   * where it is the same for all.
   */
  readonly scales: Uint16Array<ArrayBuffer>;
  /** `[stored]` rows of packed codes, see transform_matrix.ts. */
  readonly matrix: Uint32Array<ArrayBuffer>;
  /** Step of every stored component, bfloat16; negative where it is exact, see `isExact`. */
  readonly steps: Uint16Array<ArrayBuffer>;
  /** Table of every stored component among the alphabets. */
  readonly tables: Uint8Array<ArrayBuffer>;
  readonly alphabets: SharedAlphabets;
}

/** The layout under these settings, with what was learned. */
export function transformLayout(settings: TransformSettings): TransformLayout {
  const { heads, headDim, steps } = settings;
  const size = blockHeads(heads, headDim);
  const channels = size * headDim;
  const blocks: TransformBlock[] = [];
  let stored = 0;
  let words = 0;
  for (let firstHead = 0; firstHead < heads; firstHead += size) {
    const components = steps.slice(firstHead * headDim, firstHead * headDim + channels)
      .filter((step) => step !== "absent").length;
    blocks.push({ firstHead, heads: size, channels, components, first: stored, firstWord: words });
    stored += components;
    words += axisWords(components, channels);
  }
  const scales = bfloat16s(calibrated(settings, "scales", Float32Array, heads * headDim));
  const isStored = (_: number, i: number) => steps[i] !== "absent";
  return {
    blocks,
    stored,
    mean: bfloat16s(calibrated(settings, "mean", Float32Array, heads * headDim)),
    scales: scales.every((scale) => scale === scales[0]) ? scales.slice(0, 1) : scales,
    matrix: new Uint32Array(calibrated(settings, "matrix", Int32Array, words).buffer),
    steps: bfloat16s(
      calibrated(settings, "steps", Float32Array, heads * headDim).filter(isStored),
    ),
    tables: Uint8Array.from(
      calibrated(settings, "alphabets", Int32Array, heads * headDim).filter(isStored),
    ),
    alphabets: sharedAlphabets(alphabetSize(settings.bits[0]!)),
  };
}

/** Means, scales and steps need no more digits, but may have any size: what is left of a mean is coded. */
const bfloat16s = (numbers: Float32Array) => Uint16Array.from(numbers, bfloat16Bits);

/** What some channels, from `first` on, are multiplied by before they meet the axes. */
export function scalesOf({ scales }: TransformLayout, first: number, count: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, c) => fromBfloat16Bits(scales[scales.length === 1 ? 0 : first + c]!),
  );
}

/** Means of some channels, from `first` on. */
export function meansOf({ mean }: TransformLayout, first: number, count: number): Float32Array {
  return Float32Array.from(mean.subarray(first, first + count), fromBfloat16Bits);
}

/** Whether a component of this step is kept exact at a level. */
export function isExact(step: number, level: number): boolean {
  return step < 0 && level <= PLANNED_LEVEL;
}

/** The alphabets of a token's stored components at a level below `NOTHING_CODED` and a shift. */
export function rowOfTables(
  { steps, tables }: TransformLayout,
  level: number,
  shift: number,
): Uint16Array {
  return Uint16Array.from(
    tables,
    (table, k) =>
      isExact(fromBfloat16Bits(steps[k]!), level)
        ? CERTAIN_ESCAPE
        : coarserTable(coarserTable(table, LEVEL_QUARTERS[level]!), SHIFT_QUARTERS[shift]!),
  );
}

/** Bits that each group may add to all before it; infinite without a bound. */
export function groupBits({ mostBits, heads, headDim }: TransformSettings): number {
  return mostBits === undefined ? Infinity : Math.floor(mostBits * GROUP_TOKENS * heads * headDim);
}

/** Words of a stream at most: every symbol as rare as can be, and every one an escape. */
export function worstStreamWords(stored: number): number {
  const bits = GROUP_TOKENS * stored * (FREQUENCY_BITS + BYTE_BITS + WORD_BITS) + STATE_BITS +
    LEVEL_BITS + SHIFT_BITS * bandsOf(stored);
  return Math.ceil(bits / 32);
}

/** Words of a stream of so many bits. */
export function streamWords(bits: number): number {
  return Math.ceil(bits / 32);
}

/**
 * The buffers of a store with groups that end in these bits.
 *
 * @param entries of a token
 * @param ends bit behind the last of each group's stream, counted from the first stream's first bit
 */
export function transformBuffers(entries: number, ends: readonly number[]): StoredBuffer[] {
  const codes = ends.length * GROUP_TOKENS * entries;
  let bits = 0;
  let start = 0;
  for (const end of ends) {
    bits += end - start;
    start = streamWords(end) * 32;
  }
  return [
    {
      role: "streams",
      bytes: 4 * streamWords(ends.at(-1) ?? 0),
      // Every symbol has a length of its own, so their mean stands for them.
      bits: [codes === 0 ? 0 : bits / codes],
      codes: [codes],
    },
    { role: "stream_ends", bytes: 4 * ends.length },
  ];
}
