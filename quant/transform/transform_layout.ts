/**
 * How `transform` lays out its tokens: one bit stream, a row of equally many bits per token, rows
 * behind each other without padding. In a row come first the ranges, one half-precision number per
 * block of heads, where tokens have ranges; then the codes of all components, the first component in
 * the lowest bits.
 *
 * @module
 */
import { calibrated } from "../calibration.ts";
import type { StoredBuffer } from "../family.ts";
import type { TokenRange } from "../tensor.ts";
import { EXACT, type TransformSettings } from "./transform.ts";
import { blockHeads } from "./transform_calibration.ts";

/** A range is a half-precision number. */
export const RANGE_BITS = 16;

/** One block of heads: its components of width above 0, and where they lie. */
export interface TransformBlock {
  readonly firstHead: number;
  readonly heads: number;
  /** Channels of the block. */
  readonly channels: number;
  /** Indices of the coded components within the block. */
  readonly components: Int32Array;
  readonly widths: Int32Array;
  /** Bit offset of each coded component within the token's row. */
  readonly bits: Int32Array;
  /** Where each coded component's levels start. */
  readonly levels: Int32Array;
}

/** Layout and model constants of one layer and kind. */
export interface TransformLayout {
  readonly blocks: readonly TransformBlock[];
  readonly rowBits: number;
  /** `[heads * headDim]`. */
  readonly mean: Float32Array;
  /** Block after block `[channels][channels]`, `[component][channel]`. */
  readonly forward: Float32Array;
  readonly inverse: Float32Array;
  /** Standard deviation of every component, `[heads * headDim]`. */
  readonly deviations: Float32Array;
  readonly levels: Float32Array;
}

/** The layout under these settings, with what was learned. */
export function transformLayout(settings: TransformSettings): TransformLayout {
  const { heads, headDim, widths } = settings;
  const size = blockHeads(heads, headDim);
  const channels = size * headDim;
  const blocks: TransformBlock[] = [];
  const count = heads / size;
  let bit = settings.levels === "token" ? RANGE_BITS * count : 0;
  let level = 0;
  for (let first = 0; first < heads; first += size) {
    const components: number[] = [], blockWidths: number[] = [], bits: number[] = [];
    const levels: number[] = [];
    for (let i = 0; i < channels; i++) {
      const width = widths[first * headDim + i]!;
      if (width === 0) continue;
      components.push(i);
      blockWidths.push(width);
      bits.push(bit);
      levels.push(level);
      bit += width;
      if (width !== EXACT) level += 2 ** width;
    }
    blocks.push({
      firstHead: first,
      heads: size,
      channels,
      components: Int32Array.from(components),
      widths: Int32Array.from(blockWidths),
      bits: Int32Array.from(bits),
      levels: Int32Array.from(levels),
    });
  }
  const square = heads * headDim * channels;
  return {
    blocks,
    rowBits: bit,
    mean: calibrated(settings, "mean", Float32Array, heads * headDim),
    forward: calibrated(settings, "forward", Float32Array, square),
    inverse: calibrated(settings, "inverse", Float32Array, square),
    deviations: calibrated(settings, "deviations", Float32Array, heads * headDim),
    levels: calibrated(settings, "levels", Float32Array, level),
  };
}

/** Words that hold the rows of so many tokens. */
export function rowsWords(tokens: number, rowBits: number): number {
  return Math.ceil(tokens * rowBits / 32);
}

/** The one buffer of a store, ranges and codes of every token, with `range` quantized. */
export function transformBuffers(
  settings: TransformSettings,
  rowBits: number,
  range: TokenRange,
): StoredBuffer[] {
  const tokens = range.to - range.from;
  const coded = settings.widths.filter((width) => width !== EXACT);
  return [{
    role: "rows",
    bytes: rowsWords(tokens, rowBits) * 4,
    // Widths differ inside a head, so their mean stands for it.
    bits: [coded.reduce((a, b) => a + b, 0) / Math.max(1, coded.length)],
    codes: [tokens * coded.length],
  }];
}
