/**
 * `hf_quanto_4bit` and `hf_quanto_2bit`: the quantized cache of Transformers on optimum-quanto, with
 * the cache's defaults (huggingface/transformers 5.18.0, src/transformers/cache_utils.py,
 * QuantizedCache: axis 0, residual length 128, 4 bits; groups of 64 channels, or where 64 does not
 * divide a head the largest that does) and its other width, 2 bits (huggingface/optimum-quanto at
 * e33f820).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function quantoCache(bits: number): Policy {
  return {
    quantizer_family: () => "hf_quanto",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 128,
    calibration_mode: () => "none",
  };
}

/** The cache's default width. */
export const hfQuanto4bit = (): Policy => quantoCache(4);
/** The narrower of quanto's widths. */
export const hfQuanto2bit = (): Policy => quantoCache(2);
