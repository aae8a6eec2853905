/**
 * `lmdeploy_int8` and `lmdeploy_int4`: what LMDeploy stores under `--quant-policy 8` and `4`
 * (InternLM/lmdeploy, lmdeploy/pytorch/kernels/cuda/fill_kv_cache.py): integers between the extremes
 * of a token and head, with two numbers of 16 bits for each.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function lmdeployCache(bits: number): Policy {
  return {
    outside_budget: true,
    quantizer_family: () => "int_token_head",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    symmetric: () => false,
    family_options: () => ({ parameters: "f16" }),
    calibration_mode: () => "none",
  };
}

/** `--quant-policy 8`. */
export const lmdeployInt8 = (): Policy => lmdeployCache(8);
/** `--quant-policy 4`. */
export const lmdeployInt4 = (): Policy => lmdeployCache(4);
