/**
 * Where the codes and parameters of a *block* lie: tokens of one layer and kind that are quantized
 * together, in one go, by the families that quantize their whole cache at once.
 *
 * A block is a row-major matrix of tokens and channels: one per head, or with `joined` the matrices
 * of all heads on top of each other. It is cut into groups of `groupSize` entries, in one of three
 * orders:
 *
 * - `"flat"`: runs of the matrix, so consecutive channels of a token; a group that does not divide
 *   `headDim` goes on in the next row;
 * - `"channel"`: consecutive rows of one channel;
 * - `"comb"`: entries `j, j + n, j + 2n, ...` of the flattened matrix, `n` groups in all.
 *
 * The codes of a *segment*, one such matrix, form one bit stream, group after group, which starts on
 * a word of its own.
 *
 * @module
 */
import { runLength } from "../affine/group_layout.ts";
import type { KvShape } from "../../tensor.ts";

/** How a block is cut into groups. */
export type GroupOrder = "flat" | "channel" | "comb";

/** What a block's layout follows from. */
export interface BlockShape {
  readonly order: GroupOrder;
  readonly groupSize: number;
  /** Whether groups may reach from one head into the next. */
  readonly joined: boolean;
  /** Code width of each head; equal widths when heads are joined. */
  readonly bits: readonly number[];
  /** Ten 3-bit codes to a word, groups padded to whole words, instead of a bit stream. */
  readonly tenPerWord?: boolean;
}

/** Groups whose codes form one stream. */
export interface BlockSegment {
  readonly firstHead: number;
  readonly bits: number;
  readonly groups: number;
  /** Index of the segment's first group in the block. */
  readonly firstGroup: number;
  /** Index of the segment's first word in the block. */
  readonly firstWord: number;
  /** The fewest groups that fill whole words, and the words they fill. */
  readonly chunkGroups: number;
  readonly chunkWords: number;
}

/** The layout of one block. */
export interface BlockLayout {
  readonly order: GroupOrder;
  readonly groupSize: number;
  readonly joined: boolean;
  readonly heads: number;
  readonly headDim: number;
  /** Tokens that fill whole groups: the first ones of those that were to be quantized. */
  readonly tokens: number;
  readonly tenPerWord: boolean;
  readonly segments: readonly BlockSegment[];
  readonly groups: number;
  readonly words: number;
}

/** Codes of a padded word under `tenPerWord`. */
export const CODES_PER_PADDED_WORD = 10;

/**
 * Tokens by which a block grows so that it has whole groups only.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tokenPeriod } from "./block_layout.ts";
 *
 * const shape = { order: "flat", groupSize: 64, joined: false, bits: [4, 4] } as const;
 * assertEquals(tokenPeriod(shape, 64), 1);
 * assertEquals(tokenPeriod(shape, 80), 4);
 * assertEquals(tokenPeriod({ ...shape, joined: true }, 80), 2);
 * assertEquals(tokenPeriod({ ...shape, order: "channel" }, 80), 64);
 * ```
 */
export function tokenPeriod(
  { order, groupSize, joined, bits }: BlockShape,
  headDim: number,
): number {
  const rows = joined ? bits.length : 1;
  return groupSize / runLength(groupSize, order === "channel" ? rows : rows * headDim);
}

/** Lays out the first tokens of `tokens` that fill whole groups. */
export function blockLayout(
  shape: BlockShape,
  { headDim }: Pick<KvShape, "headDim">,
  tokens: number,
): BlockLayout {
  const { order, groupSize, joined, bits, tenPerWord = false } = shape;
  const heads = bits.length;
  const period = tokenPeriod(shape, headDim);
  const whole = tokens - tokens % period;
  const segmentHeads = joined ? heads : 1;
  const groups = segmentHeads * whole * headDim / groupSize;
  const segments: BlockSegment[] = [];
  let words = 0;
  for (let firstHead = 0; firstHead < heads; firstHead += segmentHeads) {
    const width = bits[firstHead]!;
    const chunkGroups = tenPerWord ? 1 : 32 / runLength(32, groupSize * width);
    const chunkWords = tenPerWord
      ? Math.ceil(groupSize / CODES_PER_PADDED_WORD)
      : chunkGroups * groupSize * width / 32;
    segments.push({
      firstHead,
      bits: width,
      groups,
      firstGroup: segments.length * groups,
      firstWord: words,
      chunkGroups,
      chunkWords,
    });
    words += tenPerWord ? groups * chunkWords : Math.ceil(groups * groupSize * width / 32);
  }
  return {
    order,
    groupSize,
    joined,
    heads,
    headDim,
    tokens: whole,
    tenPerWord,
    segments,
    groups: groups * segments.length,
    words,
  };
}

/** Where the groups of a segment start and how far apart their entries are, in a tensor. */
export interface GroupPlaces {
  /** Index of the first entry of group `k` of the segment. */
  start(k: number): number;
  readonly stride: number;
}

/** Places of a segment's groups in a tensor of this shape; joined heads must lie without gaps. */
export function groupPlaces(
  layout: BlockLayout,
  segment: BlockSegment,
  { capacity }: Pick<KvShape, "capacity">,
): GroupPlaces {
  const { order, groupSize, headDim } = layout;
  const base = segment.firstHead * capacity * headDim;
  if (order === "flat") return { start: (k) => base + k * groupSize, stride: 1 };
  if (order === "comb") return { start: (k) => k, stride: segment.groups };
  return {
    start: (k) => {
      const channel = k % headDim;
      return base + (k - channel) * groupSize + channel;
    },
    stride: headDim,
  };
}
