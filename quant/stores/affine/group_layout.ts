/**
 * Where the codes and parameters of a grouped tensor lie in a store's buffers.
 *
 * A store appends *units*: one token when groups run along the channels of a token, one block of
 * `groupSize` tokens when they run along the tokens of a channel. A unit holds the *bands* of heads
 * that are coded together, a band holds rows of packed codes, and a row starts on a word of its own.
 * Everything about a unit has a fixed size, so the first units of a buffer are its first bytes.
 *
 * @module
 */
import { wordsPerRow } from "../../packing/bit_packing.ts";
import type { Axis } from "../../family.ts";

/** Heads that share a width and whose groups do not reach into another band. */
export interface Band {
  /** First of the heads. */
  readonly firstHead: number;
  /** Number of heads. */
  readonly heads: number;
  /** Width of a code in the packed rows. */
  readonly bits: number;
  /** Largest code; `2^bits - 1` unless the family leaves codes unused. */
  readonly topCode: number;
  /** Codes of one row. */
  readonly rowCodes: number;
  /** Words of one row. */
  readonly rowWords: number;
  /** Rows of the band in a unit: 1 on the token axis, `headDim` on the channel axis. */
  readonly rows: number;
  /** First word of the band within a unit. */
  readonly wordOffset: number;
  /** First group of the band within a unit. */
  readonly groupOffset: number;
}

/** The layout of one store. */
export interface GroupLayout {
  /** Direction of the groups. */
  readonly axis: Axis;
  /** Entries of a group. */
  readonly groupSize: number;
  /** Channels of one head. */
  readonly headDim: number;
  /** Entries of a group that lie at one stride in the tensor: a group has whole runs. */
  readonly runCodes: number;
  /** Tokens of one unit. */
  readonly unitTokens: number;
  /** Words of packed codes of one unit. */
  readonly unitWords: number;
  /** Groups of one unit. */
  readonly unitGroups: number;
  /** The bands, in head order. */
  readonly bands: readonly Band[];
}

/** What a layout follows from. */
export interface GroupShape {
  /** Direction of the groups. */
  readonly axis: Axis;
  /** Entries of a group: channels on the token axis, tokens on the channel axis. */
  readonly groupSize: number;
  /** Code width of each head; heads that a group spans must agree. */
  readonly bits: readonly number[];
  /** Largest code of each head. */
  readonly topCodes: readonly number[];
  /** Channels of one head. */
  readonly headDim: number;
}

/**
 * Entries of a token-axis group that are sure to lie in one head: the largest common divisor of
 * `groupSize` and `headDim`.
 */
export function runLength(groupSize: number, headDim: number): number {
  let a = groupSize;
  let b = headDim;
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * Heads whose flattened channels are the fewest that whole groups fill: 1 when `groupSize` divides
 * `headDim`, more when a group reaches into the next head.
 */
export function headsPerBand(groupSize: number, headDim: number): number {
  return groupSize / runLength(groupSize, headDim);
}

/** Lays out the units of a store; the caller has checked that groups divide what they must. */
export function groupLayout(shape: GroupShape): GroupLayout {
  const { axis, groupSize, headDim } = shape;
  const heads = axis === "token" ? headsPerBand(groupSize, headDim) : 1;
  const bands: Band[] = [];
  let wordOffset = 0;
  let groupOffset = 0;
  for (let firstHead = 0; firstHead < shape.bits.length; firstHead += heads) {
    const bits = shape.bits[firstHead]!;
    const rowCodes = axis === "token" ? heads * headDim : groupSize;
    const rows = axis === "token" ? 1 : headDim;
    const rowWords = wordsPerRow(rowCodes, bits);
    const topCode = shape.topCodes[firstHead]!;
    bands.push({
      firstHead,
      heads,
      bits,
      topCode,
      rowCodes,
      rowWords,
      rows,
      wordOffset,
      groupOffset,
    });
    wordOffset += rows * rowWords;
    groupOffset += rows * rowCodes / groupSize;
  }
  return {
    axis,
    groupSize,
    headDim,
    runCodes: axis === "token" ? runLength(groupSize, headDim) : groupSize,
    unitTokens: axis === "token" ? 1 : groupSize,
    unitWords: wordOffset,
    unitGroups: groupOffset,
    bands,
  };
}
