import { UserError } from "../errors.ts";

/**
 * A setting or tensor that a family cannot quantize; the message is one sentence for the user.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { quantize, QuantizerError } from "@kvreplay/kvreplay/quant";
 *
 * const keys = { heads: 1, capacity: 32, headDim: 64, data: new Float32Array(32 * 64) };
 * await assertRejects(
 *   () => quantize(keys, { family: "hf_quanto", bits: 3 }),
 *   QuantizerError,
 *   'family "hf_quanto" cannot store codes of 3 bits; use one of 2, 4',
 * );
 * ```
 */
export class QuantizerError extends UserError {
  /** Tells it from other errors without its class. */
  override name = "QuantizerError";
}
