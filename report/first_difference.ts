/**
 * Comparing what a run gave with what it gives again.
 *
 * @module
 */
import { VOLATILE } from "./volatile.ts";

/** Where two values differ first. */
export interface Difference {
  /** Fields and positions that lead there. */
  readonly path: readonly string[];
  readonly was: unknown;
  readonly is: unknown;
}

const volatile = new Set(VOLATILE);

/** A metric's name may have a filter's behind it, and be one of a standard error. */
export function isVolatile(field: string): boolean {
  return volatile.has(field.split(",")[0]!.replace(/_stderr$/, ""));
}

function fieldsOf(value: object): Map<string, unknown> {
  return new Map(Object.entries(value).filter(([field]) => !isVolatile(field)));
}

/**
 * The first place where two values read from JSON differ, but for the volatile fields; undefined when
 * there is none. The order of fields does not count.
 *
 * @param seen counts the numbers that are equal
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { firstDifference } from "./first_difference.ts";
 *
 * const was = { steps: [{ kl: 0.1 }], seconds: 2 };
 * assertEquals(firstDifference(was, { steps: [{ kl: 0.1 }], seconds: 3 }), undefined);
 * assertEquals(firstDifference(was, { steps: [{ kl: 0.2 }] }), {
 *   ...{ path: ["steps", "0", "kl"], was: 0.1, is: 0.2 },
 * });
 * ```
 */
export function firstDifference(
  was: unknown,
  is: unknown,
  seen: { numbers: number } = { numbers: 0 },
): Difference | undefined {
  const both = [was, is];
  if (!both.every((value) => typeof value === "object" && value !== null)) {
    if (!Object.is(was, is)) return { path: [], was, is };
    if (typeof was === "number") seen.numbers++;
    return undefined;
  }
  if (Array.isArray(was) !== Array.isArray(is)) return { path: [], was, is };
  const [before, now] = both.map((value) => fieldsOf(value as object)) as [
    Map<string, unknown>,
    Map<string, unknown>,
  ];
  for (const field of new Set([...before.keys(), ...now.keys()])) {
    const found = firstDifference(before.get(field), now.get(field), seen);
    if (found !== undefined) return { ...found, path: [field, ...found.path] };
  }
  return undefined;
}
