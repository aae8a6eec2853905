/**
 * `skvq_full_2bit`: SKVQ (Duanmu et al., 2024, arXiv 2405.06219) with all that its LongBench runs
 * use (cat538/SKVQ at fdfc7ec, README.md and eval_longbench.py): group size 128 over all KV heads of
 * a token, window 128, 5 sink tokens, clip ratio 0.92, fp8 parameters, channels reordered by a
 * calibration, keys before RoPE.
 *
 * A model with 128 KV channels has one group of 128, so reordering changes nothing there.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** SKVQ's 2-bit codes with channel reorder, keys before RoPE and fp8 parameters. */
export const skvqFull2bit = (): Policy => ({
  quantizer_family: () => "skvq",
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 128,
  group_size: () => 128,
  sink_tokens: () => 5,
  clip_ratio: () => 0.92,
  family_options: () => ({ fp8_params: true, reorder: true, pre_rope: true }),
  calibration_mode: () => "offline",
});
