/**
 * From what a policy's module exports to the policy.
 *
 * @module
 */

/**
 * The policy that a module's default export stands for: the object itself, or one instance of the
 * class. Refers to nothing outside itself: its text also runs in the policy's realm.
 *
 * @throws {TypeError} for anything else
 *
 * @example
 * ```ts
 * import { assertInstanceOf, assertThrows } from "@std/assert";
 * import { policyOf } from "./default_export.ts";
 *
 * class Mine {}
 * assertInstanceOf(policyOf(Mine), Mine);
 * assertThrows(() => policyOf(undefined), TypeError, "it has no default export");
 * ```
 */
export function policyOf(exported: unknown): object {
  if (exported === undefined) {
    throw new TypeError("it has no default export; expected a class or an object");
  }
  if (typeof exported === "function") return new (exported as new () => object)();
  if (typeof exported !== "object" || exported === null) {
    throw new TypeError(
      `its default export is ${exported === null ? "null" : `a ${typeof exported}`}; ` +
        "expected a class or an object",
    );
  }
  return exported;
}
