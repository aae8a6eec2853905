/**
 * Quantizers of KV tensors: quantize one without a model, and write families of your own.
 *
 * @module
 */
export type { Quantized, QuantizeOptions } from "./quantize.ts";
export { quantize } from "./quantize.ts";
export type {
  Axes,
  Axis,
  BufferContents,
  Defaults,
  Family,
  FamilyAnswers,
  FamilyOption,
  HookAnswers,
  Kept,
  KvKind,
  Needs,
  Settings,
  Source,
  Store,
  StoredBuffer,
  Taken,
} from "./family.ts";
export { KV_KINDS } from "./family.ts";
export type { AnswerType, ValueOf } from "./answer_type.ts";
export { type AnswersTo, type Hook, type HookMethods, hooks, type HookValue } from "./hooks.ts";
export type { AnswerName, OptionalHook } from "./hooks.ts";
export { settingsFor } from "./settings_for.ts";
export type {
  Calibration,
  CalibrationArray,
  CalibrationSamples,
  ChannelRanges,
  KeptLayer,
  KeptSamples,
  LayerSamples,
  Noise,
  QueryMoments,
  Sensitivity,
} from "./calibration.ts";
export { QuantizerError } from "./quantizer_error.ts";
export { builtInFamilies, Families, families, type FamilyName } from "./registry.ts";
export type { RotaryPositions } from "./rotary_positions.ts";
export type { CpuTensor, GpuTensor, KvShape, TokenRange } from "./tensor.ts";
