/**
 * `mlx_kv4` and `mlx_kv8`: what mlx-lm stores under `--kv-bits 4` and `--kv-bits 8` (ml-explore/mlx-lm,
 * mlx_lm/generate.py) with its groups of 64 channels, from the first token on: with
 * `--quantized-kv-start 0`, where its default is 5000.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function mlxCache(bits: number): Policy {
  return {
    outside_budget: true,
    quantizer_family: () => "mlx",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    group_size: () => 64,
    family_options: () => ({ start: 0, parameters: "f16" }),
    calibration_mode: () => "none",
  };
}

/** `--kv-bits 4 --quantized-kv-start 0`. */
export const mlxKv4 = (): Policy => mlxCache(4);
/** `--kv-bits 8 --quantized-kv-start 0`. */
export const mlxKv8 = (): Policy => mlxCache(8);
