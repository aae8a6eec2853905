/**
 * The error of a policy or a quantizer that somebody brings.
 *
 * @module
 */
import { UserError } from "../errors.ts";

/**
 * A policy cannot be run, or did what the contract does not allow; the message is one sentence.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { open } from "@kvreplay/kvreplay";
 * import { policies, PolicyError } from "@kvreplay/kvreplay/policies";
 *
 * const policy = { ...policies.uniform_quant_2bit(), choose_bits: () => NaN };
 * await using lab = await open("mini", { device: "cpu" });
 * await assertRejects(
 *   () => lab.replay({ prompt: "Why?" }, policy),
 *   PolicyError,
 *   'choose_bits(0, "key", 0) returned NaN; expected an integer width from 1 to 4',
 * );
 * ```
 */
export class PolicyError extends UserError {
  /** Tells it from other errors without its class. */
  override name = "PolicyError";
}
