/**
 * From what a policy's module exports to the policy. Both functions refer to nothing outside
 * themselves: their text also runs in the policy's realm.
 *
 * @module
 */

/**
 * Why a default export cannot be a policy, or undefined.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { exportProblem } from "./default_export.ts";
 *
 * assertEquals(exportProblem(7), "its default export is a number; expected a class or an object");
 * assertEquals(exportProblem(class {}), undefined);
 * ```
 */
export function exportProblem(exported: unknown): string | undefined {
  if (exported === undefined) return "it has no default export; expected a class or an object";
  if (typeof exported === "function" || (typeof exported === "object" && exported !== null)) {
    return undefined;
  }
  const what = exported === null ? "null" : `a ${typeof exported}`;
  return `its default export is ${what}; expected a class or an object`;
}

/** The policy that a default export stands for: the object itself, or one instance of the class. */
export function policyOf(exported: unknown): object {
  return typeof exported === "function" ? new (exported as new () => object)() : exported as object;
}
