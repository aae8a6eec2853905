/**
 * The methods of a policy: those it must have, and those that nothing will ever ask.
 *
 * @module
 */
import { hookNames } from "../quant/hooks.ts";
import { PolicyError } from "./check.ts";
import { editDistance } from "./edit_distance.ts";
import type { Policy } from "./policy.ts";
import { shown } from "../sandbox/shown.ts";

/** Methods that every policy has. */
export const REQUIRED_METHODS = [
  "choose_bits",
  "choose_axis",
  "residual_length",
  "calibration_mode",
] as const satisfies readonly (keyof Policy)[];

const KNOWN: readonly string[] = [...REQUIRED_METHODS, ...hookNames, "calibrate"];

/** Most methods that are looked at, and most letters of a name. */
export const MOST_METHODS = 100;

/** Most methods that are told one by one. */
const MOST_TOLD = 6;

/**
 * Names of an object's methods, inherited ones included, those that begin with `_` and the
 * constructor left out. No getter is run. Refers to nothing outside itself: its text also runs in the
 * policy's realm.
 *
 * @param most names, and letters of a name
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { methodsOf } from "./methods.ts";
 *
 * class Halves {
 *   width = 2;
 *   choose_bits() {}
 *   _half() {}
 * }
 * assertEquals(methodsOf(new Halves(), 100), ["choose_bits"]);
 * ```
 */
export function methodsOf(policy: unknown, most: number): string[] {
  const names: string[] = [];
  const start: object = Object(policy);
  let from: object | null = start;
  while (from !== null) {
    const next: object | null = Object.getPrototypeOf(from);
    // What every object has is no method of a policy.
    if (next === null && from !== start) break;
    for (const name of Object.getOwnPropertyNames(from)) {
      const method = Object.getOwnPropertyDescriptor(from, name)?.value;
      if (typeof method !== "function" || name === "constructor" || name.startsWith("_")) continue;
      if (names.length < most && !names.includes(name)) names.push(name.slice(0, most));
    }
    from = next;
  }
  return names;
}

/** Names the first required method that a policy lacks, or undefined. */
export function missingMethod(policy: unknown): string | undefined {
  if (typeof policy !== "object" || policy === null) return REQUIRED_METHODS[0];
  return REQUIRED_METHODS.find((name) =>
    typeof (policy as Record<string, unknown>)[name] !== "function"
  );
}

/** Methods that a policy may leave out. */
export const OPTIONAL_METHODS = [...hookNames, "calibrate"] as const satisfies readonly (
  keyof Policy
)[];

/**
 * Names the first of some methods in place of which a policy has something else, or undefined. Refers
 * to nothing outside itself: its text also runs in the policy's realm.
 */
export function fieldForMethod<Name extends string>(
  policy: { readonly [name in Name]?: unknown },
  names: readonly Name[],
): Name | undefined {
  return names.find((name) => policy[name] !== undefined && typeof policy[name] !== "function");
}

/**
 * Whether a policy says that it is outside the budget; null where it says neither yes nor no. Refers to
 * nothing outside itself: its text also runs in the policy's realm.
 */
export function outsideBudgetOf(policy: { readonly outside_budget?: unknown }): boolean | null {
  const said = policy.outside_budget;
  return typeof said === "boolean" ? said : said === undefined ? false : null;
}

/** The error for a policy that says neither that it is outside the budget nor that it is not. */
export function outsideBudgetError(policy: string): PolicyError {
  return new PolicyError(
    `Policy ${
      shown(policy)
    } has an outside_budget that is neither true nor false; expected one of them`,
  );
}

/** The error for a policy that has a field where a method is asked for. */
export function fieldError(policy: string, field: string): PolicyError {
  return new PolicyError(
    `Policy ${shown(policy)} has a field ${field}; expected a method that returns it`,
  );
}

/** The error for a policy that lacks a method, with what it may have called it instead. */
export function missingMethodError(
  policy: string,
  missing: string,
  methods: readonly string[],
): PolicyError {
  const has = meantInstead(missing, methods, KNOWN);
  const other = ["encode", "decode"].every((name) => methods.includes(name))
    ? "; a quantizer, which has encode and decode, is given to --quantizer"
    : "";
  return new MissingMethodError(
    `Policy ${shown(policy)} has no method ${missing}${has}${other}`,
  );
}

/** The clause that says which of some methods a missing one may have been called; empty where none. */
export function meantInstead(
  missing: string,
  methods: readonly string[],
  known: readonly string[],
): string {
  const meant = methods.find((name) => !known.includes(name) && nearest(name, [missing]));
  return meant === undefined ? "" : `; it has ${shown(meant)}`;
}

/** What was given lacks a method that it must have, and so may be something else. */
export class MissingMethodError extends PolicyError {
  override name = "MissingMethodError";
}

/**
 * What a policy's author should know about methods that nothing will ask, one clause each: those
 * that look like a hook with the hook that they look like, the others in one breath.
 *
 * @param known methods that are asked for, those of a policy where none are given
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { unaskedMethods } from "./methods.ts";
 *
 * assertEquals(unaskedMethods(["choose_bits", "group_sizes", "widthOf"]), [
 *   'its method "group_sizes" is no hook; did you mean group_size?',
 *   'nothing asks for its method "widthOf"; a name that begins with _ marks a helper',
 * ]);
 * ```
 */
export function unaskedMethods(methods: readonly string[], known = KNOWN): string[] {
  const free = known.filter((name) => !methods.includes(name));
  const clauses: string[] = [];
  const others: string[] = [];
  for (const name of methods.filter((method) => !known.includes(method))) {
    const meant = nearest(name, free);
    if (meant === undefined || clauses.length === MOST_TOLD) others.push(shown(name));
    else clauses.push(`its method ${shown(name)} is no hook; did you mean ${meant}?`);
  }
  if (others.length > 0) {
    const listed = others.length > MOST_TOLD ? [...others.slice(0, MOST_TOLD), "…"] : others;
    clauses.push(
      `nothing asks for its method${others.length > 1 ? "s" : ""} ${listed.join(", ")}; ` +
        `a name that begins with _ marks a helper`,
    );
  }
  return clauses;
}

/** The nearest of some names, if two thirds of the letters agree. */
function nearest(name: string, names: readonly string[]): string | undefined {
  let found: string | undefined;
  let least = Infinity;
  for (const other of names) {
    const distance = editDistance(name, other);
    if (distance < least && 3 * distance <= Math.max(name.length, other.length)) {
      [found, least] = [other, distance];
    }
  }
  return found;
}
