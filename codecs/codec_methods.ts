/**
 * The methods of a codec: those it must have, those it may have, and what is said of others.
 *
 * @module
 */
import { PolicyError } from "../policies/check.ts";
import {
  meantInstead,
  MissingMethodError,
  MOST_METHODS,
  REQUIRED_METHODS,
  unaskedMethods,
} from "../policies/methods.ts";
import type { Codec } from "./codec.ts";
import type { CodecStarted } from "./codec_realm.ts";

/** Methods that every codec has. */
export const REQUIRED_CODEC_METHODS = [
  "encode",
  "decode",
] as const satisfies readonly (keyof Codec)[];

/** Methods that a codec may leave out. */
export const OPTIONAL_CODEC_METHODS = [
  "blocks",
  "calibrate",
  "reset",
  "observe",
] as const satisfies readonly (keyof Codec)[];

const KNOWN: readonly string[] = [...REQUIRED_CODEC_METHODS, ...OPTIONAL_CODEC_METHODS];

/** Names of methods that a process sent, whatever it has sent. */
export function methodsIn({ methods }: { readonly methods?: unknown }): readonly string[] {
  if (!Array.isArray(methods)) return [];
  return methods.filter((name) => typeof name === "string").slice(0, MOST_METHODS);
}

/**
 * What its author should know about methods of a codec that nothing will ask, one clause each.
 *
 * @throws {MissingMethodError} when it lacks a method, with what it may have called it instead
 * @throws {PolicyError} when it has a field where a method is asked for
 */
export function remarksOnMethods(
  name: string,
  { missing, field, methods }: CodecStarted,
): readonly string[] {
  if (missing !== undefined) {
    const has = meantInstead(missing, methods, KNOWN);
    const other = REQUIRED_METHODS.every((method) => methods.includes(method))
      ? "; a policy, which has choose_bits, is given to --policy"
      : "";
    throw new MissingMethodError(
      `Quantizer ${name} has no method ${missing}; expected encode and decode${has}${other}`,
    );
  }
  if (field !== undefined) {
    throw new PolicyError(`Quantizer ${name} has a field ${field}; expected a method of that name`);
  }
  return unaskedMethods(methods, KNOWN);
}
