/**
 * `sglang_fp4`: what SGLang stores under `--kv-cache-dtype fp4_e2m1` (sgl-project/sglang,
 * python/sglang/srt/layers/quantization/kvfp4_tensor.py): e2m1 codes in blocks of 16 whose scale is a
 * power of two, rounded up.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** `--kv-cache-dtype fp4_e2m1`. */
export const sglangFp4 = (): Policy => ({
  outside_budget: true,
  quantizer_family: () => "mxfp4",
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  group_size: () => 16,
  family_options: () => ({ exponent: "ceil" }),
  calibration_mode: () => "none",
});
