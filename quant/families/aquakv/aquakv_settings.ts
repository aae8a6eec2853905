/**
 * Settings of `aquakv`, and how its stores lay out tokens.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { Settings, StoredBuffer } from "../../family.ts";
import { wordsPerRow } from "../../packing/bit_packing.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow, wholeBlocks } from "../../windows.ts";

/** Settings of one layer and kind under `aquakv`. */
export interface AquakvSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /** Bits an entry of the first layer, which nothing is predicted of; 16 for half precision. */
  readonly firstLayerBits: number;
  /** Channels that are rotated together and have one scale. */
  readonly hadamardSize: number;
  /** Tokens that are collected before they are quantized together. */
  readonly residualLength: number;
  readonly sinkTokens: number;
}

/** The options of `aquakv`. */
export interface AquakvOptions {
  readonly first_layer_bits: number;
  readonly hadamard_size?: number;
}

/** Where a token's codes and scales lie. */
export interface AquakvLayout {
  /** Channels of all heads together. */
  readonly channels: number;
  /** Bits an entry. */
  readonly bits: number;
  /** Codes of a token, one for two entries, each of `2 * bits` bits; they begin on a word. */
  readonly pairs: number;
  readonly tokenWords: number;
  /** Scales of a token, in half precision, two to a word. */
  readonly scales: number;
}

/** The layout under some settings. */
export function aquakvLayout(settings: AquakvSettings): AquakvLayout {
  const { layer, heads, headDim, firstLayerBits, hadamardSize } = settings;
  const channels = heads * headDim;
  const bits = layer === 0 ? firstLayerBits : settings.bits[0]!;
  const pairs = channels / 2;
  const tokenWords = wordsPerRow(pairs, 2 * bits);
  const scales = bits === 16 ? 0 : channels / hadamardSize;
  return { channels, bits, pairs, tokenWords, scales };
}

/** What a linear predictor is made of; absent in the first layer. */
export interface Predictor {
  /** `[channels][inputs]`: of keys the keys before, of values the own keys, then the values before. */
  readonly weights: Float16Array<ArrayBuffer>;
  /** `[channels]` */
  readonly bias: Float32Array<ArrayBuffer>;
}

/** The predictor that was learned for a layer and kind. */
export function aquakvPredictor(settings: AquakvSettings): Predictor | undefined {
  const { layer, kind, heads, headDim } = settings;
  if (layer === 0) return undefined;
  const channels = heads * headDim;
  const inputs = kind === "key" ? channels : 2 * channels;
  return {
    weights: calibrated(settings, "weights", Float16Array, channels * inputs),
    bias: calibrated(settings, "bias", Float32Array, channels),
  };
}

/** Which tokens of a snapshot are quantized: whole buffers of them, behind the sinks. */
export function aquakvRange(
  { residualLength, sinkTokens }: AquakvSettings,
  n: number,
): TokenRange {
  return residualLength === 0
    ? slidingWindow(n, 0, sinkTokens)
    : wholeBlocks(n, residualLength, sinkTokens);
}

/** The buffers of a store with so many tokens. */
export function aquakvBuffers(
  { channels, bits, tokenWords, scales }: AquakvLayout,
  tokens: number,
): StoredBuffer[] {
  return [
    { role: "codes", bytes: 4 * tokens * tokenWords, bits: [bits], codes: [tokens * channels] },
    { role: "scale", bytes: 4 * Math.ceil(tokens * scales / 2) },
  ];
}
