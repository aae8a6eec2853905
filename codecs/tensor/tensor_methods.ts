/**
 * The methods of a quantizer in the tensor form: what is said of those that it lacks, and of others.
 *
 * @module
 */
import { meantInstead, MissingMethodError, unaskedMethods } from "../../policies/methods.ts";
import type { TensorStarted } from "./tensor_process.ts";

const TENSORS = ["quantize_key", "quantize_value"];
const CODES = ["encode", "decode"];

const KNOWN: readonly string[] = [
  ...[...TENSORS, ...CODES, "blocks", "reset_request", "needs_prefill_qkv_observer"],
  ...["query_observation_position", "observe_prefill_qkv", "estimate_bits"],
];

/**
 * What its author should know about methods of a quantizer that nothing will ask, one clause each.
 *
 * @throws {MissingMethodError} when it lacks a method, with what it may have called it instead
 */
export function remarksOnTensorMethods(
  name: string,
  { missing, methods }: TensorStarted,
): readonly string[] {
  if (missing === undefined) return unaskedMethods(methods, KNOWN);
  const half = CODES.some((method) => methods.includes(method));
  const lacks = half ? CODES.find((method) => !methods.includes(method))! : missing;
  throw new MissingMethodError(
    `Quantizer ${name} has no method ${lacks}; expected ${(half ? CODES : TENSORS).join(" and ")}` +
      meantInstead(lacks, methods, KNOWN),
  );
}
