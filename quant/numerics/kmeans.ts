/**
 * k-means of points in a few dimensions.
 *
 * Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982); starts by Arthur and
 * Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.
 *
 * @module
 */
import { randomSource } from "./random.ts";

/** Options of `kmeans`. */
export interface KmeansOptions {
  /** Starts; the best result counts. */
  readonly starts: number;
  /** Iterations of each start at most. */
  readonly iterations: number;
  readonly seed: number;
}

/** Which cluster each point belongs to, and the sum of squared distances to the centres. */
export interface Clusters {
  readonly labels: Int32Array<ArrayBuffer>;
  readonly inertia: number;
}

/**
 * Divides points into `k` clusters; of fewer distinct points than `k`, some are empty.
 *
 * @param points at least one, all of the same length
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kmeans } from "./kmeans.ts";
 *
 * const points = [[0, 0], [9, 9], [0, 1], [9, 8]];
 * const { labels, inertia } = kmeans(points, 2, { starts: 10, iterations: 50, seed: 1 });
 * assertEquals(labels[0], labels[2]);
 * assertEquals(inertia, 1);
 * ```
 */
export function kmeans(
  points: readonly (readonly number[])[],
  k: number,
  { starts, iterations, seed }: KmeansOptions,
): Clusters {
  const random = randomSource(seed);
  let best: Clusters | undefined;
  for (let start = 0; start < starts; start++) {
    const found = lloyd(
      points,
      firstCentres(points, k, () => random.below(2 ** 32) / 2 ** 32),
      iterations,
    );
    if (best === undefined || found.inertia < best.inertia) best = found;
  }
  return best!;
}

function squaredDistance(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
}

/** k-means++: every further centre is a point, the farther from the others the likelier. */
function firstCentres(
  points: readonly (readonly number[])[],
  k: number,
  random: () => number,
): number[][] {
  const centres = [[...points[Math.floor(random() * points.length)]!]];
  const nearest = points.map((point) => squaredDistance(point, centres[0]!));
  while (centres.length < k) {
    let left = random() * nearest.reduce((a, b) => a + b, 0);
    let chosen = nearest.findIndex((distance) => (left -= distance) < 0);
    if (chosen < 0) chosen = points.length - 1;
    const centre = [...points[chosen]!];
    centres.push(centre);
    points.forEach((point, i) => {
      nearest[i] = Math.min(nearest[i]!, squaredDistance(point, centre));
    });
  }
  return centres;
}

function lloyd(
  points: readonly (readonly number[])[],
  centres: number[][],
  iterations: number,
): Clusters {
  const labels = new Int32Array(points.length);
  let inertia = 0;
  const assign = (): boolean => {
    inertia = 0;
    let changed = false;
    for (const [i, point] of points.entries()) {
      let label = 0;
      let least = Infinity;
      for (const [c, centre] of centres.entries()) {
        const distance = squaredDistance(point, centre);
        if (distance < least) [least, label] = [distance, c];
      }
      changed ||= labels[i] !== label;
      labels[i] = label;
      inertia += least;
    }
    return changed;
  };
  assign();
  for (let iteration = 0; iteration < iterations; iteration++) {
    for (const [c, centre] of centres.entries()) {
      const members = points.filter((_, i) => labels[i] === c);
      if (members.length === 0) continue;
      for (let d = 0; d < centre.length; d++) {
        centre[d] = members.reduce((sum, point) => sum + point[d]!, 0) / members.length;
      }
    }
    if (!assign()) break;
  }
  return { labels, inertia };
}
