/**
 * `squat_2bit` and `squat_4bit`: SQuat (Wang et al., 2025, arXiv 2503.24358;
 * Red-Hat-AI-Innovation-Team/SQuat at ff91f13) with the README's LongBench settings: group size and
 * residual length 32, lambda 0.001, 60 dimensions of the queries' subspace, blocks of half a head (64
 * of 128 channels there). Keys are quantized after RoPE (`squat_post`).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function squatCache(bits: number): Policy {
  return {
    quantizer_family: () => "squat",
    choose_bits: () => bits,
    choose_axis: (_layer, kind) => kind === "key" ? "channel" : "token",
    residual_length: () => 32,
    group_size: () => 32,
    family_options: (_layer, kind) => kind === "key" ? { lambda: 0.001, subspace_dim: 60 } : {},
    calibration_mode: () => "none",
  };
}

/** Two bits, the default of utils/process_args.py. */
export const squat2bit = (): Policy => squatCache(2);
/** Four bits. */
export const squat4bit = (): Policy => squatCache(4);
