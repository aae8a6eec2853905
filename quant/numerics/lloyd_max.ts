/**
 * Scalar codebooks for the coordinates of a random unit vector.
 *
 * Zandieh et al., "TurboQuant: Online Vector Quantization with Near-optimal Distortion Rate", arXiv
 * 2504.19874, section 3.1 (Lemma 1 and equation 4): a coordinate of a uniformly random point of the
 * sphere in `dim` dimensions has a density proportional to `(1 - t^2)^((dim - 3) / 2)`. The best levels
 * (Lloyd, Max) are the means of the cells between their midpoints.
 *
 * @module
 */

/** Simpson's rule: intervals per cell. */
const INTERVALS = 64;

const MOST_ROUNDS = 100;

/**
 * The `2^bits` levels of least mean squared error, ascending and symmetric about 0.
 *
 * @param dim at least 3
 * @param bits 1..8
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { sphereLevels } from "./lloyd_max.ts";
 *
 * // In many dimensions a coordinate is nearly normal: 0.7979 standard deviations for one bit.
 * assertAlmostEquals(sphereLevels(4096, 1)[1]! * 64, 0.7979, 1e-3);
 * ```
 */
export function sphereLevels(dim: number, bits: number): Float64Array {
  const half = positiveLevels(dim, 2 ** (bits - 1));
  const levels = new Float64Array(2 * half.length);
  half.forEach((level, i) => {
    levels[half.length + i] = level;
    levels[half.length - 1 - i] = -level;
  });
  return levels;
}

/** The levels above 0, by Newton's method on "every level is the mean of its cell". */
function positiveLevels(dim: number, count: number): Float64Array {
  const levels = startingLevels(dim, count);
  const diagonal = new Float64Array(count);
  const below = new Float64Array(count);
  const above = new Float64Array(count);
  const gap = new Float64Array(count);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let worst = 0;
    for (let i = 0; i < count; i++) {
      const low = i === 0 ? 0 : (levels[i - 1]! + levels[i]!) / 2;
      const high = i === count - 1 ? 1 : (levels[i]! + levels[i + 1]!) / 2;
      const mass = cellMass(dim, low, high);
      const mean = cellMoment(dim, low, high) / mass;
      // How the mean moves with the ends of the cell.
      const withLow = i === 0 ? 0 : density(dim, low) * (mean - low) / mass;
      const withHigh = i === count - 1 ? 0 : density(dim, high) * (high - mean) / mass;
      gap[i] = mean - levels[i]!;
      diagonal[i] = 1 - (withLow + withHigh) / 2;
      below[i] = -withLow / 2;
      above[i] = -withHigh / 2;
      worst = Math.max(worst, Math.abs(gap[i]!));
    }
    if (worst < 1e-15) break;
    const step = solveTridiagonal(below, diagonal, above, gap);
    const moved = levels.map((level, i) => level + step[i]!);
    const ordered = moved.every((level, i) => level > (i === 0 ? 0 : moved[i - 1]!) && level < 1);
    for (let i = 0; i < count; i++) {
      // Lloyd's own step is slow and safe.
      levels[i] = ordered ? moved[i]! : levels[i]! + gap[i]!;
    }
  }
  return levels;
}

function density(dim: number, t: number): number {
  return Math.max(0, 1 - t * t) ** ((dim - 3) / 2);
}

/** Integral of the density, in the angle whose sine is `t`, where it is smooth. */
function cellMass(dim: number, low: number, high: number): number {
  const from = Math.asin(low);
  // Beyond 12 standard deviations there is nothing, and intervals would be wasted on it.
  const to = Math.asin(Math.min(high, Math.max(low, 12 / Math.sqrt(dim))));
  const step = (to - from) / INTERVALS;
  let sum = 0;
  for (let i = 0; i <= INTERVALS; i++) {
    const weight = i === 0 || i === INTERVALS ? 1 : 2 + 2 * (i % 2);
    sum += weight * Math.abs(Math.cos(from + i * step)) ** (dim - 2);
  }
  return sum * step / 3;
}

/** Integral of `t` times the density. */
function cellMoment(dim: number, low: number, high: number): number {
  const power = (dim - 1) / 2;
  return ((1 - low * low) ** power - Math.max(0, 1 - high * high) ** power) / (dim - 1);
}

/** Levels spaced by the cube root of the density, which is right for many levels (Panter, Dite). */
function startingLevels(dim: number, count: number): Float64Array {
  const points = 4096;
  const sums = new Float64Array(points + 1);
  for (let i = 1; i <= points; i++) {
    sums[i] = sums[i - 1]! + Math.cbrt(density(dim, (i - 0.5) / points));
  }
  const levels = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const wanted = (i + 0.5) / count * sums[points]!;
    while (sums[at + 1]! < wanted) at++;
    levels[i] = (at + (wanted - sums[at]!) / (sums[at + 1]! - sums[at]!)) / points;
  }
  return levels;
}

function solveTridiagonal(
  below: Float64Array,
  diagonal: Float64Array,
  above: Float64Array,
  right: Float64Array,
): Float64Array {
  const n = diagonal.length;
  const upper = new Float64Array(n);
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const pivot = diagonal[i]! - (i === 0 ? 0 : below[i]! * upper[i - 1]!);
    upper[i] = above[i]! / pivot;
    out[i] = (right[i]! - (i === 0 ? 0 : below[i]! * out[i - 1]!)) / pivot;
  }
  for (let i = n - 2; i >= 0; i--) out[i] = out[i]! - upper[i]! * out[i + 1]!;
  return out;
}
