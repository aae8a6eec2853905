/**
 * @module
 */

/** Longest value that an error shows. */
const MAX_SHOWN = 60;

/**
 * A value from a file as an error shows it: on one line, and cut when it is long.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quoted } from "./quoted.ts";
 *
 * assertEquals(quoted("a\nb"), '"a\\nb"');
 * assertEquals(quoted("x".repeat(100)), `"${"x".repeat(59)}…`);
 * ```
 */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
