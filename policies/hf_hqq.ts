/**
 * `hf_hqq_4bit` and `hf_hqq_2bit`: the quantized cache of Transformers on HQQ (Badri and Shaji, 2023;
 * mobiusml/hqq at e0b1d00, hqq/core/quantize.py), with the cache's defaults
 * (huggingface/transformers 5.18.0, src/transformers/cache_utils.py, QuantizedCache: residual length
 * 128; groups of 64 channels, or where 64 does not divide a head the largest that does) but for the
 * axis: 1 for keys and values, as in the example of HQQQuantizedCache in earlier versions, because
 * the default 0 strides over tokens and heads.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function hqqCache(bits: number): Policy {
  return {
    quantizer_family: () => "hf_hqq",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 128,
    calibration_mode: () => "none",
  };
}

/** The cache's default width. */
export const hfHqq4bit = (): Policy => hqqCache(4);
/** Two bits. */
export const hfHqq2bit = (): Policy => hqqCache(2);
