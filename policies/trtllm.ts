/**
 * `trtllm_nvfp4`: what TensorRT-LLM stores under `kv_cache_config.dtype: nvfp4` (NVIDIA/TensorRT-LLM,
 * docs/source/features/quantization.md): e2m1 codes in blocks of 16 whose scales are relative to one of
 * each tensor, learned offline.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** `kv_cache_config.dtype: nvfp4`. */
export const trtllmNvfp4 = (): Policy => ({
  outside_budget: true,
  quantizer_family: () => "nvfp4",
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  family_options: () => ({ levels: 2 }),
  calibration_mode: () => "offline",
});
