/**
 * Lengths and depths of a needle grid, as a user writes them.
 *
 * @module
 */

/** Tokens of a prompt that anybody can ask for, and depths of a grid. */
export const MOST_TOKENS = 2 ** 24;
export const MOST_DEPTHS = 1001;

/**
 * A length in tokens; undefined for a text that is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gridLength } from "./grid_axes.ts";
 *
 * assertEquals(["4k", "1000", "0", "long"].map(gridLength), [4096, 1000, undefined, undefined]);
 * ```
 */
export function gridLength(text: string): number | undefined {
  const [, digits, thousands] = /^(\d{1,9})(k?)$/i.exec(text) ?? [];
  const tokens = Number(digits) * (thousands ? 1024 : 1);
  return tokens >= 1 && tokens <= MOST_TOKENS ? tokens : undefined;
}

/**
 * One depth in per cent, or those of a range `FROM:TO:STEP` whose end counts; undefined for a text that
 * is neither.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gridDepths } from "./grid_axes.ts";
 *
 * assertEquals(["0:100:50", "12.5", "0:100"].map(gridDepths), [[0, 50, 100], [12.5], undefined]);
 * ```
 */
export function gridDepths(text: string): number[] | undefined {
  const parts = text.split(":");
  const [from, to = from, step = 1] = parts.map((part) =>
    /^\d{1,3}(\.\d{1,6})?$/.test(part) ? Number(part) : NaN
  );
  const steps = Math.floor((to! - from!) / step + 1e-9);
  const isRange = parts.length !== 2 && parts.length <= 3 && step > 0 && from! <= to! && to! <= 100;
  if (!isRange || steps >= MOST_DEPTHS) return undefined;
  return Array.from({ length: steps + 1 }, (_, i) => from! + i * step);
}

/** Numbers in rising order, each once. */
export function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
