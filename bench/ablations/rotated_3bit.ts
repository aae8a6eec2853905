/** A random rotation and 3 bits for everything: the family `turboquant`, windows as in `adaptive`. */
import type { Policy } from "../../policies/policy.ts";

export default {
  quantizer_family: () => "turboquant",
  choose_bits: () => 3,
  choose_axis: () => "token",
  residual_length: () => 16,
  calibration_mode: () => "none",
} satisfies Policy;
