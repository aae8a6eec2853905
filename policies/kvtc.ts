/**
 * `kvtc_8x`, `kvtc_16x` and `kvtc_20x`: KVTC at 8, 16 and 20 times of the coded part, before DEFLATE,
 * with 4 sinks and a window of 128 tokens (Staniszewski and Łańcucki, arXiv 2511.01815).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function atCompression(compression: number): Policy {
  return {
    quantizer_family: () => "kvtc",
    choose_bits: () => Math.ceil(16 / compression),
    choose_axis: () => "token",
    residual_length: () => 128,
    sink_tokens: () => 4,
    calibration_mode: () => "offline",
    family_options: () => ({ compression }),
  };
}

/** 2 bits an entry. */
export const kvtc8x = (): Policy => atCompression(8);
/** 1 bit an entry. */
export const kvtc16x = (): Policy => atCompression(16);
/** 0.8 bits an entry. */
export const kvtc20x = (): Policy => atCompression(20);
