/**
 * What a family may learn offline, from samples that are never scored.
 *
 * The replay runs the calibration set through the model once, a sample at a time, and keeps of every
 * layer an even choice of tokens and a few sums over all of them (`KeptSamples`): the same memory for
 * any set and any model. `Family.calibrate` is given that; what it returns is kept on disk, and comes
 * back in `Settings.calibration` when a store is opened.
 *
 * @module
 */
import type { RotaryPositions } from "./rotary_positions.ts";
import type { CpuTensor, KvShape } from "./tensor.ts";

/**
 * What a family learned for one layer and kind: named arrays. Sizes follow from the settings, so no
 * shapes are kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Calibration } from "@kvreplay/kvreplay/quant";
 *
 * // What of a layer's calibration lies in the memory of a decoder.
 * const bytes = (learned: Calibration) =>
 *   Object.values(learned).reduce((sum, { byteLength }) => sum + byteLength, 0);
 * const learned = { levels: Float32Array.of(-1, 0, 1), order: Int32Array.of(1, 0) };
 * assertEquals(bytes(learned), 20);
 * ```
 */
export type Calibration = Readonly<Record<string, CalibrationArray>>;

/**
 * An array of a calibration.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CalibrationArray } from "@kvreplay/kvreplay/quant";
 *
 * // As it is written to a file.
 * const bytesOf = ({ buffer, byteOffset, byteLength }: CalibrationArray) =>
 *   new Uint8Array(buffer, byteOffset, byteLength);
 * assertEquals([...bytesOf(Float16Array.of(1, -2))], [0, 0x3c, 0, 0xc0]);
 * ```
 */
export type CalibrationArray =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>;

/**
 * One layer's tensors, one entry per sample, in cpu memory, `capacity` tokens all filled.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { LayerSamples } from "@kvreplay/kvreplay/quant";
 *
 * // Largest entry of a layer's values, over all samples.
 * const reach = ({ values }: Pick<LayerSamples, "values">) =>
 *   Math.max(...values.flatMap(({ data }) => [...data.map(Math.abs)]));
 * const shape = { heads: 1, capacity: 1, headDim: 2 };
 * const samples = [Float32Array.of(1, -3), Float32Array.of(2, 0)];
 * assertEquals(reach({ values: samples.map((data) => ({ ...shape, data })) }), 3);
 * ```
 */
export interface LayerSamples {
  /** Keys after RoPE, `[kvHeads, tokens, headDim]`. */
  readonly keys: readonly CpuTensor[];
  /** Keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKeys: readonly CpuTensor[];
  /** Values, `[kvHeads, tokens, headDim]`. */
  readonly values: readonly CpuTensor[];
  /** Queries after RoPE, `[queryHeads, tokens, headDim]`. */
  readonly queries: readonly CpuTensor[];
  /** Squared gradients of the loss, shaped as the keys; when whoever made the samples has them. */
  readonly keyWeights?: readonly CpuTensor[];
  /** The same for the values. */
  readonly valueWeights?: readonly CpuTensor[];
}

/**
 * Tensors of a calibration set, for who has them: `quantize` keeps of them what families learn from.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type CalibrationSamples, quantize } from "@kvreplay/kvreplay/quant";
 *
 * const data = Float32Array.from({ length: 64 * 32 }, (_, i) => Math.sin(i));
 * const values = { heads: 1, capacity: 64, headDim: 32, data };
 * const samples: CalibrationSamples = {
 *   layers: [{ keys: [values], preRopeKeys: [values], values: [values], queries: [values] }],
 *   rotary: { theta: 10_000, stretch: new Array(16).fill(1), scale: 1 },
 * };
 * const options = { family: "kvquant", kind: "value", bits: 2, samples } as const;
 * const { settings } = await quantize(values, options);
 * // Four levels for codes of two bits.
 * assertEquals(settings.calibration?.codebook2?.length, 4);
 * ```
 */
export interface CalibrationSamples {
  /** One entry per layer. */
  readonly layers: readonly LayerSamples[];
  /** How the keys and queries were turned. */
  readonly rotary: RotaryPositions;
}

/**
 * Smallest and largest entry of every channel.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { ChannelRanges } from "@kvreplay/kvreplay/quant";
 *
 * const widest = ({ low, high }: ChannelRanges) => {
 *   const widths = Array.from(low, (from, channel) => high[channel]! - from);
 *   return widths.indexOf(Math.max(...widths));
 * };
 * assertEquals(widest({ low: Float32Array.of(0, -9), high: Float32Array.of(1, 2) }), 1);
 * ```
 */
export interface ChannelRanges {
  /** `[heads * headDim]`. */
  readonly low: Float32Array<ArrayBuffer>;
  /** `[heads * headDim]`. */
  readonly high: Float32Array<ArrayBuffer>;
}

/**
 * Second moments of the queries that read one KV head, over its query heads.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { QueryMoments } from "@kvreplay/kvreplay/quant";
 *
 * // What an error in the first channel of a key does to its squared logits, before they are scaled.
 * const cost = ({ moment }: QueryMoments, error: number) => error ** 2 * moment[0]!;
 * const moment = Float64Array.of(4, 0, 0, 1);
 * assertEquals(cost({ queries: 9, moment, preRopeMoment: moment }, 0.5), 1);
 * ```
 */
export interface QueryMoments {
  /** Queries that were looked at: tokens times query heads per KV head. */
  readonly queries: number;
  /** Mean of `q q^T` after RoPE, `[headDim][headDim]`. */
  readonly moment: Float64Array<ArrayBuffer>;
  /** The same before RoPE. */
  readonly preRopeMoment: Float64Array<ArrayBuffer>;
}

/**
 * What is kept of one layer. Lists of tensors have one entry for each sample of which tokens are kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { KeptLayer } from "@kvreplay/kvreplay/quant";
 *
 * const keptTokens = ({ values }: Pick<KeptLayer, "values">) =>
 *   values.reduce((sum, { capacity }) => sum + capacity, 0);
 * const data = new Float32Array(6);
 * assertEquals(keptTokens({ values: [{ heads: 1, capacity: 3, headDim: 2, data }] }), 3);
 * ```
 */
export interface KeptLayer {
  /** Keys after RoPE, `[kvHeads, tokens, headDim]`. */
  readonly keys: readonly CpuTensor[];
  /** Keys before RoPE, `[kvHeads, tokens, headDim]`. */
  readonly preRopeKeys: readonly CpuTensor[];
  /** Values, `[kvHeads, tokens, headDim]`. */
  readonly values: readonly CpuTensor[];
  /** Squared gradients of the loss, shaped as the keys; when whoever made the samples has them. */
  readonly keyWeights?: readonly CpuTensor[];
  /** The same for the values. */
  readonly valueWeights?: readonly CpuTensor[];
  /** Ranges over all tokens, those that are not kept included. */
  readonly ranges: Readonly<Record<"keys" | "preRopeKeys" | "values", ChannelRanges>>;
  /** One entry per KV head; none when the samples had no queries. */
  readonly queries: readonly QueryMoments[];
}

/**
 * What is kept of a calibration set after one pass through the model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { KeptSamples } from "@kvreplay/kvreplay/quant";
 *
 * // Kept tokens that are among the first four of their sample: attention sinks.
 * const sinks = ({ positions }: Pick<KeptSamples, "positions">) =>
 *   positions.reduce((sum, own) => sum + own.filter((position) => position < 4).length, 0);
 * assertEquals(sinks({ positions: [Int32Array.of(1, 5, 9), Int32Array.of(0, 4)] }), 2);
 * ```
 */
export interface KeptSamples {
  /** One entry per layer. */
  readonly layers: readonly KeptLayer[];
  /** How the keys and queries were turned. */
  readonly rotary: RotaryPositions;
  /** Samples that went through the model. */
  readonly samples: number;
  /** Their tokens. */
  readonly tokens: number;
  /** Tokens of the longest. */
  readonly longest: number;
  /** Position of every kept token in its sample, for each sample of which tokens are kept. */
  readonly positions: readonly Int32Array[];
}

/**
 * Mean squared change of log-odds per unit of what noise loses, in one layer's keys and values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Sensitivity } from "@kvreplay/kvreplay/quant";
 *
 * const layers: Sensitivity[] = [{ key: 0.1, value: 2 }, { key: 90, value: 3 }];
 * assertEquals(layers.map(({ key, value }) => key > value), [false, true]);
 * ```
 */
export interface Sensitivity {
  /** With noise in the keys alone. */
  readonly key: number;
  /** With noise in the values alone. */
  readonly value: number;
}

/**
 * Noise that looks like the errors of a family's quantizer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Noise } from "@kvreplay/kvreplay/quant";
 *
 * // One step up everywhere, which loses the square of the step per entry.
 * const up: Noise = {
 *   draw: (_layer, _kind, { heads, capacity, headDim }) => ({
 *     heads,
 *     capacity,
 *     headDim,
 *     data: new Float32Array(heads * capacity * headDim).fill(0.5),
 *   }),
 *   lost: () => 0.25,
 * };
 * assertEquals(up.draw(0, "key", { heads: 1, capacity: 1, headDim: 2 }, 0).data.length, 2);
 * ```
 */
export interface Noise {
  /**
   * Noise for `shape.capacity` tokens of one layer's values, or of its keys before RoPE: it is turned
   * with them. The same seed gives the same noise.
   */
  draw(layer: number, kind: "key" | "value", shape: KvShape, seed: number): CpuTensor;
  /** What such noise loses, in whatever unit sensitivity is to be told per. */
  lost(layer: number, kind: "key" | "value"): number;
}
