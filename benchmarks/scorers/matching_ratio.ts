/**
 * Share of two texts that lies in common blocks, as Python's `difflib.SequenceMatcher(None, a,
 * b).ratio()` counts it (Ratcliff and Metzener, "Pattern Matching: The Gestalt Approach", 1988): take
 * the longest common block, then the same to its left and to its right.
 *
 * @module
 */

interface Block {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}

/**
 * Positions of each character of `b`. In a text of 200 characters or more, difflib leaves out those
 * that make up more than one per cent of it ("autojunk").
 */
function positions(b: readonly string[]): Map<string, number[]> {
  const map = new Map<string, number[]>();
  for (const [j, char] of b.entries()) {
    const list = map.get(char);
    if (list === undefined) map.set(char, [j]);
    else list.push(j);
  }
  if (b.length >= 200) {
    const most = Math.floor(b.length / 100) + 1;
    for (const [char, list] of map) if (list.length > most) map.delete(char);
  }
  return map;
}

/** Longest common block of `a[alo..ahi)` and `b[blo..bhi)`; the earliest in `a`, then in `b`. */
function longestBlock(
  a: readonly string[],
  b: readonly string[],
  where: ReadonlyMap<string, readonly number[]>,
  [alo, ahi, blo, bhi]: readonly [number, number, number, number],
): Block {
  let bestA = alo, bestB = blo, size = 0;
  let lengths = new Map<number, number>();
  for (let i = alo; i < ahi; i++) {
    const next = new Map<number, number>();
    for (const j of where.get(a[i]!) ?? []) {
      if (j < blo) continue;
      if (j >= bhi) break;
      const length = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, length);
      if (length > size) {
        bestA = i - length + 1;
        bestB = j - length + 1;
        size = length;
      }
    }
    lengths = next;
  }
  // Left-out characters may extend a block, though they never start one.
  while (bestA > alo && bestB > blo && a[bestA - 1] === b[bestB - 1]) {
    bestA--;
    bestB--;
    size++;
  }
  while (bestA + size < ahi && bestB + size < bhi && a[bestA + size] === b[bestB + size]) size++;
  return { a: bestA, b: bestB, size };
}

/**
 * `2 * matching characters / characters of both`, 0..1; 1 for two empty texts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { matchingRatio } from "./matching_ratio.ts";
 *
 * assertEquals(matchingRatio("abcd", "bcde"), 0.75);
 * ```
 */
export function matchingRatio(first: string, second: string): number {
  const a = Array.from(first), b = Array.from(second);
  if (a.length + b.length === 0) return 1;
  const where = positions(b);
  const open: (readonly [number, number, number, number])[] = [[0, a.length, 0, b.length]];
  let matched = 0;
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const block = longestBlock(a, b, where, range);
    if (block.size === 0) continue;
    matched += block.size;
    const [alo, ahi, blo, bhi] = range;
    open.push([alo, block.a, blo, block.b]);
    open.push([block.a + block.size, ahi, block.b + block.size, bhi]);
  }
  return 2 * matched / (a.length + b.length);
}
