/**
 * Reading what a family declares, where it left something out.
 *
 * @module
 */
import type { Axis, Family, KvKind } from "./family.ts";
import { hookNames, type OptionalHook } from "./hooks.ts";

/** The usual axes: keys per channel and values per token, as most papers have it, come first. */
const USUAL: Readonly<Record<KvKind, readonly Axis[]>> = {
  key: ["channel", "token"],
  value: ["token", "channel"],
};

/**
 * Axes that a family takes for keys or values, the usual one first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { axesOf } from "./declared.ts";
 * import { kivi } from "./families/kivi/kivi.ts";
 * import { uniform } from "./families/uniform/uniform.ts";
 *
 * assertEquals(axesOf(kivi, "key"), ["channel", "token"]);
 * assertEquals(axesOf(uniform, "key"), ["token"]);
 * ```
 */
export function axesOf({ axes }: Pick<Family, "axes">, kind: KvKind): readonly Axis[] {
  return USUAL[kind].filter((axis) => axes?.[kind].includes(axis) ?? true);
}

/** Optional hooks that a family takes, in the order of the table. */
export function takenHooks({ hooks, options }: Pick<Family, "hooks" | "options">): OptionalHook[] {
  return hookNames.filter((hook) =>
    hook === "family_options" ? options !== undefined : hooks?.[hook] !== undefined
  );
}
