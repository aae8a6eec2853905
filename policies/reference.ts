/**
 * `reference`: the full-precision cache through the same code as every policy. The only policy
 * outside the bit budget; it scores exactly 100.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** Leaves every cache entry exact (16 bits). */
export const reference = (): Policy => ({
  choose_bits: () => 16,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
});
