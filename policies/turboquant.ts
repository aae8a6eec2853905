/**
 * `turboquant_3bit` and `turboquant_2bit`: TurboQuant (Zandieh et al., 2025, arXiv 2504.19874) with
 * its first algorithm for keys and values alike: a random rotation, Lloyd-Max levels, no window. The
 * authors published no code; rotation and levels follow 0xSero/turboquant at 7ac9b8d
 * (turboquant/rotation.py, turboquant/codebook.py).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function turboquantCache(bits: number): Policy {
  return {
    quantizer_family: () => "turboquant",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    family_options: () => ({ variant: "mse", rotation: "qr" }),
    calibration_mode: () => "none",
  };
}

/** Three bits, between the 2.5 and 3.5 per channel of the paper's experiments. */
export const turboquant3bit = (): Policy => turboquantCache(3);
/** Two bits. */
export const turboquant2bit = (): Policy => turboquantCache(2);
