/**
 * `uniform_quant_4bit` and `uniform_quant_2bit`: every key and value at one width, per token, groups
 * of channels inside one head, no window. The arithmetic is KIVI's value path (jy-yuan/KIVI,
 * quant/new_pack.py at 876b4d2).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function uniformQuant(bits: number): Policy {
  return {
    quantizer_family: () => "uniform",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    calibration_mode: () => "none",
  };
}

/** Uniform 4-bit codes for keys and values. */
export const uniformQuant4bit = (): Policy => uniformQuant(4);
/** Uniform 2-bit codes for keys and values. */
export const uniformQuant2bit = (): Policy => uniformQuant(2);
