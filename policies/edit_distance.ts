/**
 * How far apart two names are.
 *
 * @module
 */

/**
 * The fewest letters to insert, delete or replace to make `b` of `a` (Levenshtein, Soviet Physics
 * Doklady 10(8), 1966; by rows, as Wagner and Fischer, Journal of the ACM 21(1), 1974).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { editDistance } from "./edit_distance.ts";
 *
 * assertEquals(editDistance("group_sizes", "group_size"), 1);
 * assertEquals(editDistance("clipRatio", "clip_ratio"), 2);
 * ```
 */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
