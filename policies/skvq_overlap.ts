/**
 * `skvq_overlap_2bit`: the part of SKVQ (Duanmu et al., 2024, arXiv 2405.06219) that needs no
 * calibration, with the long-context settings of its README (cat538/SKVQ at fdfc7ec): group size
 * 128 over all KV heads of a token, window 128, 5 sink tokens, clip ratio 0.92, f16 parameters.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** SKVQ's 2-bit codes without channel reorder, pre-RoPE keys and fp8 parameters. */
export const skvqOverlap2bit = (): Policy => ({
  quantizer_family: () => "skvq",
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 128,
  group_size: () => 128,
  sink_tokens: () => 5,
  clip_ratio: () => 0.92,
  calibration_mode: () => "none",
});
