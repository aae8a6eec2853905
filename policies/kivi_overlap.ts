/**
 * `kivi_overlap_4bit` and `kivi_overlap_2bit`: KIVI (Liu et al., 2024, arXiv 2402.02750) with its
 * published LongBench settings, group size 32 and residual length 128 (jy-yuan/KIVI,
 * docs/long_bench.md at 876b4d2): keys per channel, values per token.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function kiviOverlap(bits: number): Policy {
  return {
    quantizer_family: () => "kivi",
    choose_bits: () => bits,
    choose_axis: (_layer, kind) => kind === "key" ? "channel" : "token",
    residual_length: () => 128,
    group_size: () => 32,
    calibration_mode: () => "none",
  };
}

/** KIVI-4 as published. */
export const kiviOverlap4bit = (): Policy => kiviOverlap(4);
/** KIVI-2 as published. */
export const kiviOverlap2bit = (): Policy => kiviOverlap(2);
