/**
 * What a family may learn offline, from samples that are never scored.
 *
 * The replay runs the calibration set through the model once and hands every layer's tensors to
 * `Family.calibrate`; what that returns is kept on disk, and comes back in `Settings.calibration`
 * when a store is opened.
 *
 * @module
 */
import type { CpuTensor } from "./tensor.ts";

/**
 * What a family learned for one layer and kind: named arrays. Sizes follow from the settings, so no
 * shapes are kept.
 */
export type Calibration = Readonly<Record<string, CalibrationArray>>;

/** An array of a calibration. */
export type CalibrationArray =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>;

/** One layer's tensors, one entry per sample, in host memory, `capacity` tokens all filled. */
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

/** The calibration set after one pass through the model. */
export interface CalibrationSamples {
  /** One entry per layer. */
  readonly layers: readonly LayerSamples[];
  /** Rotary base: pair `i` of a head turns by `position * ropeTheta^(-2 i / headDim)`. */
  readonly ropeTheta: number;
}
