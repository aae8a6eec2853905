/**
 * How `transform` lays out its tokens: 16 tokens make a group, and the symbols of all their components,
 * token after token, one stream (packing/entropy_coder.ts). Streams lie behind each other, each from a
 * word's first bit on; a second buffer says in which bit each one ends.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { StoredBuffer } from "../../family.ts";
import {
  type Alphabets,
  alphabetsOf,
  FREQUENCY_BITS,
  RAW_BITS,
  STATE_BITS,
} from "../../packing/entropy_coder.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";
import { alphabetSize } from "./component_codes.ts";
import { blockHeads } from "./transform_axes.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Tokens whose codes form one stream. */
export const GROUP_TOKENS = 16;

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
  /** Indices of the stored components within the block. */
  readonly components: Int32Array;
  /** Place of the first of them among a token's stored components. */
  readonly first: number;
}

/** Layout and model constants of one layer and kind. */
export interface TransformLayout {
  readonly blocks: readonly TransformBlock[];
  /** Stored components of a token, and how many of them are exact. */
  readonly stored: number;
  readonly exact: number;
  /** `[heads * headDim]`. */
  readonly mean: Float32Array<ArrayBuffer>;
  /** Block after block `[channels][channels]`, `[component][channel]`. */
  readonly forward: Float32Array<ArrayBuffer>;
  readonly inverse: Float32Array<ArrayBuffer>;
  /** Step of every stored component; 0 where it is exact. */
  readonly steps: Float32Array<ArrayBuffer>;
  readonly alphabets: Alphabets;
  /** `[stored][symbols]`: restored value of every symbol. */
  readonly levels: Float32Array<ArrayBuffer>;
}

/** The layout under these settings, with what was learned. */
export function transformLayout(settings: TransformSettings): TransformLayout {
  const { heads, headDim, steps } = settings;
  const size = blockHeads(heads, headDim);
  const channels = size * headDim;
  const blocks: TransformBlock[] = [];
  let stored = 0;
  for (let firstHead = 0; firstHead < heads; firstHead += size) {
    const components = Int32Array.from(
      Array.from({ length: channels }, (_, i) => i)
        .filter((i) => steps[firstHead * headDim + i] !== "absent"),
    );
    blocks.push({ firstHead, heads: size, channels, components, first: stored });
    stored += components.length;
  }
  const square = heads * headDim * channels;
  const symbols = alphabetSize(settings.bits[0]!);
  return {
    blocks,
    stored,
    exact: steps.filter((step) => step === "exact").length,
    mean: calibrated(settings, "mean", Float32Array, heads * headDim),
    forward: calibrated(settings, "forward", Float32Array, square),
    inverse: calibrated(settings, "inverse", Float32Array, square),
    steps: calibrated(settings, "steps", Float32Array, heads * headDim)
      .filter((_, i) => steps[i] !== "absent"),
    alphabets: alphabetsOf(
      symbols,
      calibrated(settings, "frequencies", Int32Array, stored * symbols),
    ),
    levels: calibrated(settings, "levels", Float32Array, stored * symbols),
  };
}

/** Words of a stream at most: every symbol as rare as can be, and every one an escape. */
export function worstStreamWords(stored: number): number {
  const bits = GROUP_TOKENS * stored * (FREQUENCY_BITS + RAW_BITS) + STATE_BITS;
  return Math.ceil(bits / 32);
}

/** Words of a stream of so many bits. */
export function streamWords(bits: number): number {
  return Math.ceil(bits / 32);
}

/**
 * The buffers of a store with groups that end in these bits.
 *
 * @param ends bit behind the last of each group's stream, counted from the first stream's first bit
 */
export function transformBuffers(layout: TransformLayout, ends: readonly number[]): StoredBuffer[] {
  const tokens = ends.length * GROUP_TOKENS;
  const codes = tokens * (layout.stored - layout.exact);
  let bits = -tokens * layout.exact * RAW_BITS;
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
