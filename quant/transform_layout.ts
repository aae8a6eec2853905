/**
 * How `transform` lays out a token: the codes of all components in one bit stream that starts on a
 * word of its own, first component in the lowest bits.
 *
 * @module
 */
import { calibrated } from "./calibration.ts";
import type { StoredBuffer } from "./family.ts";
import type { TokenRange } from "./tensor.ts";
import type { TransformSettings } from "./transform.ts";
import { blockHeads } from "./transform_calibration.ts";

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
  readonly rowWords: number;
  readonly rowBits: number;
  /** `[heads * headDim]`. */
  readonly mean: Float32Array;
  /** Block after block `[channels][channels]`, `[component][channel]`. */
  readonly forward: Float32Array;
  readonly inverse: Float32Array;
  readonly levels: Float32Array;
}

/** The layout under these settings, with what was learned. */
export function transformLayout(settings: TransformSettings): TransformLayout {
  const { heads, headDim, widths } = settings;
  const size = blockHeads(heads, headDim);
  const channels = size * headDim;
  const blocks: TransformBlock[] = [];
  let bit = 0;
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
      level += 2 ** width;
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
    rowWords: Math.ceil(bit / 32),
    mean: calibrated(settings, "mean", Float32Array, heads * headDim),
    forward: calibrated(settings, "forward", Float32Array, square),
    inverse: calibrated(settings, "inverse", Float32Array, square),
    levels: calibrated(settings, "levels", Float32Array, level),
  };
}

/** The one buffer of a store with `range` quantized. */
export function transformBuffers(
  settings: TransformSettings,
  rowWords: number,
  range: TokenRange,
): StoredBuffer[] {
  const { widths, heads, headDim } = settings;
  const tokens = range.to - range.from;
  return [{
    role: "codes",
    bytes: tokens * rowWords * 4,
    // Widths differ inside a head, so their mean stands for it.
    bits: [widths.reduce((a, b) => a + b, 0) / widths.length],
    codes: [tokens * heads * headDim],
  }];
}
