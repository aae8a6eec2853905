/**
 * Settings of `nova`, and how its stores lay out tokens.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { Settings, StoredBuffer } from "../../family.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";

/** Components of a key that one code stands for, and the codewords that there are of them. */
export const GROUP = 4;
export const CODEWORDS = 256;

/** Settings of one layer and kind under `nova`. */
export interface NovaSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /** Share of a value's components that are not clipped. */
  readonly valueClip: number;
  readonly residualLength: number;
  readonly sinkTokens: number;
}

/** The options of `nova`. */
export interface NovaOptions {
  readonly value_clip: number;
}

/** What keys are transformed and coded with. */
export interface KeyTables {
  /** `[head][component][channel]` */
  readonly forward: Float32Array<ArrayBuffer>;
  /** `[head][channel][component]` */
  readonly inverse: Float32Array<ArrayBuffer>;
  /** `[head][channel]` */
  readonly mean: Float32Array<ArrayBuffer>;
  /** `[head][group][codeword]`: four e5m2 numbers in a word, the first lowest. */
  readonly codebook: Int32Array<ArrayBuffer>;
}

/** What values are rotated with, all heads alike. */
export interface ValueTables {
  /** `[component][channel]` */
  readonly rotation: Float32Array<ArrayBuffer>;
}

/** What was learned for the keys of a layer. */
export function novaKeyTables(settings: NovaSettings): KeyTables {
  const { heads, headDim } = settings;
  const matrix = heads * headDim * headDim;
  return {
    forward: calibrated(settings, "forward", Float32Array, matrix),
    inverse: calibrated(settings, "inverse", Float32Array, matrix),
    mean: calibrated(settings, "mean", Float32Array, heads * headDim),
    codebook: calibrated(settings, "codebook", Int32Array, heads * headDim / GROUP * CODEWORDS),
  };
}

/** What was learned for the values of a layer. */
export function novaValueTables(settings: NovaSettings): ValueTables {
  return { rotation: calibrated(settings, "rotation", Float32Array, settings.headDim ** 2) };
}

/** Words of a token's codes: a byte for four components of keys, two bits for one of values. */
export function novaTokenWords({ heads, headDim }: NovaSettings): number {
  return heads * headDim / 16;
}

/** Half-precision numbers of a token: a scale for each head, of values a zero point besides. */
export function novaTokenNumbers({ kind, heads }: NovaSettings): number {
  return kind === "key" ? heads : 2 * heads;
}

/** The place of a value's component, in order of size, that the others are clipped to. */
export function clipPlace({ valueClip, headDim }: NovaSettings): number {
  return Math.min(headDim - 1, Math.floor(valueClip * headDim));
}

/** Which tokens of a snapshot are quantized: all but the first and the last ones. */
export function novaRange({ residualLength, sinkTokens }: NovaSettings, n: number): TokenRange {
  return slidingWindow(n, residualLength, sinkTokens);
}

/** The buffers of a store with so many tokens. */
export function novaBuffers(settings: NovaSettings, tokens: number): StoredBuffer[] {
  const { heads, headDim, bits } = settings;
  return [
    {
      role: "codes",
      bytes: 4 * tokens * novaTokenWords(settings),
      bits: [bits[0]!],
      codes: [tokens * heads * headDim],
    },
    { role: "parameters", bytes: 4 * Math.ceil(tokens * novaTokenNumbers(settings) / 2) },
  ];
}
