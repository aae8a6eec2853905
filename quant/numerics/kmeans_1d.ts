/**
 * k-means of numbers on a line: the codebooks of non-uniform quantization.
 *
 * Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982); starts by Arthur and
 * Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.
 *
 * On sorted data a cluster is a run, so with prefix sums one iteration costs a binary search per
 * centre instead of a pass over the data.
 *
 * @module
 */
import { randomSource } from "./random.ts";

/** Options of `kmeans1d`. */
export interface KmeansOptions {
  /** Non-negative weight of each value; all 1 when absent. */
  readonly weights?: ArrayLike<number>;
  /** Iterations at most. */
  readonly iterations: number;
  readonly seed: number;
}

/** Values that the start looks at, evenly spaced in order. */
const START_SAMPLE = 1 << 15;

/**
 * The centres of `k` clusters in ascending order; of fewer distinct values than `k`, some repeat.
 *
 * @param sorted at least one value, ascending, none of them NaN
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kmeans1d } from "./kmeans_1d.ts";
 *
 * const values = Float32Array.of(0, 1, 10, 11, 12);
 * assertEquals(kmeans1d(values, 2, { iterations: 50, seed: 1 }), Float64Array.of(0.5, 11));
 * ```
 */
export function kmeans1d(
  sorted: Float32Array,
  k: number,
  { weights, iterations, seed }: KmeansOptions,
): Float64Array<ArrayBuffer> {
  const n = sorted.length;
  const mass = new Float64Array(n + 1);
  const moment = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    const weight = weights?.[i] ?? 1;
    mass[i + 1] = mass[i]! + weight;
    moment[i + 1] = moment[i]! + weight * sorted[i]!;
  }
  const centres = start(sorted, mass, k, seed).sort();
  for (let iteration = 0; iteration < iterations; iteration++) {
    let from = 0;
    let moved = false;
    for (let c = 0; c < k; c++) {
      const to = c + 1 < k ? countUpTo(sorted, (centres[c]! + centres[c + 1]!) / 2) : n;
      const held = mass[to]! - mass[from]!;
      // A cluster that holds nothing keeps its centre.
      if (to > from && held > 0) {
        const centre = (moment[to]! - moment[from]!) / held;
        moved ||= centre !== centres[c];
        centres[c] = centre;
      }
      from = Math.max(from, to);
    }
    if (!moved) break;
  }
  return centres.sort();
}

/** How many of the sorted values are at most `x`. */
function countUpTo(sorted: Float32Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Centres by k-means++, each the best of a few candidates. */
function start(
  sorted: Float32Array,
  mass: Float64Array,
  k: number,
  seed: number,
): Float64Array<ArrayBuffer> {
  const source = randomSource(seed);
  const count = Math.min(sorted.length, START_SAMPLE);
  const values = new Float64Array(count);
  const weight = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const [from, to] = [i, i + 1].map((j) => Math.floor(j * sorted.length / count)) as [
      number,
      number,
    ];
    values[i] = sorted[(from + to) >>> 1]!;
    weight[i] = mass[to]! - mass[from]!;
  }
  const nearest = new Float64Array(count).fill(Infinity);
  const draw = (chance: (i: number) => number): number => {
    let total = 0;
    for (let i = 0; i < count; i++) total += chance(i);
    let left = source.below(2 ** 32) / 2 ** 32 * total;
    for (let i = 0; i < count; i++) {
      left -= chance(i);
      if (left < 0) return values[i]!;
    }
    return values[count - 1]!;
  };
  const candidates = 2 + Math.floor(Math.log(k));
  const centres = new Float64Array(k);
  for (let c = 0; c < k; c++) {
    let best = c === 0 ? draw((i) => weight[i]!) : NaN;
    let least = Infinity;
    for (let trial = 0; c > 0 && trial < candidates; trial++) {
      const candidate = draw((i) => weight[i]! * nearest[i]!);
      let left = 0;
      for (let i = 0; i < count; i++) {
        left += weight[i]! * Math.min(nearest[i]!, (values[i]! - candidate) ** 2);
      }
      if (left < least) [least, best] = [left, candidate];
    }
    centres[c] = best;
    for (let i = 0; i < count; i++) {
      nearest[i] = Math.min(nearest[i]!, (values[i]! - best) ** 2);
    }
  }
  return centres;
}
