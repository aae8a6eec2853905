/**
 * `nova_2bit`: NOVA-KV with 64 sinks and a window of 256 tokens, as scripts/serve_method.sh of
 * Amir-zsh/nova-kv serves it (arXiv 2608.04074).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** Keys in groups of four components, values in two bits. */
export const nova2bit = (): Policy => ({
  quantizer_family: () => "nova",
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 256,
  sink_tokens: () => 64,
  calibration_mode: () => "offline",
});
