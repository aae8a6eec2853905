/**
 * Scalar codebooks learned from samples (Lloyd, "Least squares quantization in PCM", IEEE
 * Transactions on Information Theory 28(2), 1982; Max, 1960).
 *
 * @module
 */

const ROUNDS = 40;

/**
 * `2^bits` levels, ascending, of small mean squared error on the samples.
 *
 * @param sorted samples in ascending order, at least one
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { learnLevels } from "./scalar_codebook.ts";
 *
 * assertEquals([...learnLevels(new Float64Array([-3, -1, 5, 7]), 1)], [-2, 6]);
 * ```
 */
export function learnLevels(sorted: Float64Array, bits: number): Float64Array {
  const count = 2 ** bits;
  const n = sorted.length;
  const sums = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) sums[i + 1] = sums[i]! + sorted[i]!;
  // Half way between equal shares and equal steps: the former starves the tails, the latter the body.
  const at = (share: number) => sorted[Math.min(n - 1, Math.floor(share * n))]!;
  const [low, high] = [at(0.001), at(0.999)];
  const levels = Float64Array.from(
    { length: count },
    (_, k) =>
      (at((k + 0.5) / count) +
        (count === 1 ? (low + high) / 2 : low + (high - low) * k / (count - 1))) / 2,
  );
  const edges = new Int32Array(count + 1);
  edges[count] = n;
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    for (let k = 1; k < count; k++) {
      edges[k] = firstAbove(sorted, (levels[k - 1]! + levels[k]!) / 2, edges[k - 1]!);
    }
    for (let k = 0; k < count; k++) {
      const [from, to] = [edges[k]!, edges[k + 1]!];
      // A level without samples stays where it is.
      if (to === from) continue;
      const mean = (sums[to]! - sums[from]!) / (to - from);
      moved ||= mean !== levels[k];
      levels[k] = mean;
    }
    levels.sort();
    if (!moved) break;
  }
  return levels;
}

/** Index of the first sample above `limit`, from index `from` on. */
function firstAbove(sorted: Float64Array, limit: number, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Index of the level nearest to `x` among `count` (a power of two) ascending levels, given the
 * midpoints between neighbours; on a midpoint the lower level wins.
 */
export function nearestLevel(
  midpoints: Float64Array,
  at: number,
  count: number,
  x: number,
): number {
  let code = 0;
  for (let half = count >> 1; half > 0; half >>= 1) {
    if (x > midpoints[at + code + half - 1]!) code += half;
  }
  return code;
}
