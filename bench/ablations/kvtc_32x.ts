/** KVTC at 32 times of the coded part: 16 times in all on prompts of 4,096 tokens, window and sinks included. */
import type { Policy } from "../../policies/policy.ts";

const policy: Policy = {
  quantizer_family: () => "kvtc",
  choose_bits: () => 1,
  choose_axis: () => "token",
  residual_length: () => 128,
  sink_tokens: () => 4,
  calibration_mode: () => "offline",
  family_options: () => ({ compression: 32 }),
};
export default policy;
