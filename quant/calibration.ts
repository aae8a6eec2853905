/**
 * What a family may learn offline, from samples that are never scored.
 *
 * The replay runs the calibration set through the model once and hands every layer's tensors to
 * `Family.calibrate`; what that returns is kept on disk, and comes back in `Settings.calibration`
 * when a store is opened.
 *
 * @module
 */
import type { Settings } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";
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

/**
 * The array `name` of a settings' calibration.
 *
 * @throws {QuantizerError} when there is none, or it has another length than `length`
 */
export function calibrated<A extends CalibrationArray>(
  settings: Settings,
  name: string,
  type: { new (length: number): A },
  length: number,
): A {
  const array = settings.calibration?.[name];
  const place = `layer ${settings.layer} ${settings.kind}s`;
  if (array === undefined) {
    throw new QuantizerError(
      `${place}: family "${settings.family}" was not given the calibrated ${name}; ` +
        `run with the calibration set, or load a calibration of these settings`,
    );
  }
  if (!(array instanceof type) || array.length !== length) {
    throw new QuantizerError(
      `${place}: the calibrated ${name} of family "${settings.family}" has ${array.length} ` +
        `entries; these settings need ${length}`,
    );
  }
  return array;
}
