/**
 * `aquakv_2bit` and `aquakv_3bit`: AQUA-KV with codes of 2 and 3 bits, of 4 bits in the first layer, 4
 * sinks and a buffer of 128 tokens (Shutova et al., arXiv 2501.19392; goodevening13/aquakv,
 * evaluate_perplexity.py and README.md).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function ofBits(bits: number): Policy {
  return {
    quantizer_family: () => "aquakv",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 128,
    sink_tokens: () => 4,
    calibration_mode: () => "offline",
  };
}

/** Pairs of entries in codes of 4 bits. */
export const aquakv2bit = (): Policy => ofBits(2);
/** Pairs of entries in codes of 6 bits. */
export const aquakv3bit = (): Policy => ofBits(3);
