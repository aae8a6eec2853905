/** The family `transform` at 3 bits for every component: no allocation at all. */
import type { Policy } from "../../policies/policy.ts";

export default {
  quantizer_family: () => "transform",
  choose_bits: () => 3,
  choose_axis: () => "token",
  residual_length: () => 16,
  sink_tokens: () => 4,
  calibration_mode: () => "offline",
} satisfies Policy;
