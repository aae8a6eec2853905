/**
 * Quantizers of KV tensors: quantize one without a model, and write families of your own.
 *
 * @module
 */
export type { Quantized, QuantizeOptions } from "./quantize.ts";
export { quantize } from "./quantize.ts";
export type {
  Axis,
  BufferContents,
  Family,
  HookAnswers,
  KvKind,
  Needs,
  OptionalHook,
  Settings,
  Source,
  Store,
  StoredBuffer,
} from "./family.ts";
export { KV_KINDS } from "./family.ts";
export type {
  Calibration,
  CalibrationArray,
  CalibrationSamples,
  LayerSamples,
} from "./calibration.ts";
export { QuantizerError } from "./quantizer_error.ts";
export { builtInFamilies, Families, families, type FamilyName } from "./registry.ts";
export type { RotaryPositions } from "./rotary_positions.ts";
export type { CpuTensor, GpuTensor, KvShape, TokenRange } from "./tensor.ts";
