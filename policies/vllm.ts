/**
 * `vllm_fp8_e4m3`, `vllm_fp8_e5m2` and `vllm_int8_token_head`: what vLLM stores under
 * `--kv-cache-dtype fp8_e4m3` (also `fp8`), `fp8_e5m2` and `int8_per_token_head` (vllm-project/vllm,
 * vllm/config/cache.py), with scales of 1, as it does without a calibrated checkpoint.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** Layers that stay as the model has them, at either end. */
interface SkippedLayers {
  readonly first?: number;
  readonly last?: number;
}

function vllmCache(
  family: string,
  options: Readonly<Record<string, unknown>>,
  { first = 0, last = 0 }: SkippedLayers,
): Policy {
  return {
    outside_budget: true,
    quantizer_family: () => family,
    choose_bits: (layer, _kind, _head, _stats, { layers }) =>
      layer < first || layer >= layers - last ? 16 : 8,
    choose_axis: () => "token",
    residual_length: () => 0,
    family_options: () => options,
    calibration_mode: () => "none",
  };
}

/**
 * `--kv-cache-dtype fp8_e4m3`.
 *
 * @param skip layers left in 16 bits, as `--kv-cache-dtype-skip-layers` leaves those it lists
 */
export const vllmFp8E4m3 = (skip: SkippedLayers = {}): Policy =>
  vllmCache("fp8", { format: "e4m3", scale: "one" }, skip);
/** `--kv-cache-dtype fp8_e5m2`. */
export const vllmFp8E5m2 = (skip: SkippedLayers = {}): Policy =>
  vllmCache("fp8", { format: "e5m2", scale: "one" }, skip);
/** `--kv-cache-dtype int8_per_token_head`. */
export const vllmInt8TokenHead = (skip: SkippedLayers = {}): Policy =>
  vllmCache("int_token_head", { parameters: "f32" }, skip);
