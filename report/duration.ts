/**
 * Lengths of time in words.
 *
 * @module
 */

/**
 * A length of time, to two units.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { inWords } from "./duration.ts";
 *
 * assertEquals([42, 3599, 7500, 200_000].map(inWords), ["42 s", "1 h 0 min", "2 h 5 min", "2 d 8 h"]);
 * ```
 */
export function inWords(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
