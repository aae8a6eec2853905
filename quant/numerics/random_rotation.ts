/**
 * Fixed random matrices: orthogonal ones that spread a vector evenly over its coordinates, and
 * Gaussian ones for random projections. A seed repeats them exactly on every machine.
 *
 * @module
 */
import { randomSource } from "./random.ts";
import { probit } from "./probit.ts";

/** Independent standard normal numbers. */
function gaussians(count: number, seed: number): Float64Array {
  const source = randomSource(seed);
  return Float64Array.from(
    { length: count },
    () => probit((source.below(2 ** 32) + 0.5) / 2 ** 32),
  );
}

/** A matrix of independent standard normal numbers, `[dim][dim]`, row-major. */
export function gaussianMatrix(dim: number, seed: number): Float64Array {
  return gaussians(dim * dim, seed);
}

/**
 * A uniformly random orthogonal matrix, `[dim][dim]`, row-major: the factor Q of the QR factorisation
 * of a Gaussian matrix, with the signs that make the diagonal of R positive.
 *
 * Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS
 * 54(5), 2007.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { randomRotation } from "./random_rotation.ts";
 *
 * const [a, b, c, d] = randomRotation(2, 42);
 * assertAlmostEquals(a! * c! + b! * d!, 0, 1e-15);
 * assertAlmostEquals(a! * a! + b! * b!, 1, 1e-15);
 * ```
 */
export function randomRotation(dim: number, seed: number): Float64Array {
  // Gram-Schmidt on the columns gives exactly that Q. Projecting twice keeps it orthogonal to the
  // last bits.
  const q = gaussianMatrix(dim, seed);
  for (let column = 0; column < dim; column++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let earlier = 0; earlier < column; earlier++) {
        let dot = 0;
        for (let i = 0; i < dim; i++) dot += q[i * dim + column]! * q[i * dim + earlier]!;
        for (let i = 0; i < dim; i++) q[i * dim + column]! -= dot * q[i * dim + earlier]!;
      }
    }
    let square = 0;
    for (let i = 0; i < dim; i++) square += q[i * dim + column]! ** 2;
    const length = Math.sqrt(square);
    for (let i = 0; i < dim; i++) q[i * dim + column]! /= length;
  }
  return q;
}

/** Random signs, +1 or -1. */
export function randomSigns(dim: number, seed: number): Float64Array {
  const source = randomSource(seed);
  return Float64Array.from({ length: dim }, () => source.below(2) === 0 ? 1 : -1);
}

/**
 * Multiplies a row by the Walsh-Hadamard matrix of its length over the root of that length, which is
 * its own inverse; in `dim log2(dim)` additions, each in the precision of the row.
 *
 * @param row `dim` entries from index `at` on, overwritten; `dim` is a power of two
 */
export function hadamard(row: Float32Array | Float64Array, at: number, dim: number): void {
  for (let half = 1; half < dim; half *= 2) {
    for (let block = at; block < at + dim; block += 2 * half) {
      for (let i = block; i < block + half; i++) {
        const a = row[i]!;
        const b = row[i + half]!;
        row[i] = a + b;
        row[i + half] = a - b;
      }
    }
  }
  const root = 1 / Math.sqrt(dim);
  const scale = row instanceof Float32Array ? Math.fround(root) : root;
  for (let i = at; i < at + dim; i++) row[i]! *= scale;
}

/** The matrix of `x -> hadamard(signs * x)`, `[dim][dim]`, row-major. */
export function hadamardRotation(signs: Float64Array): Float64Array {
  const dim = signs.length;
  const matrix = new Float64Array(dim * dim);
  for (let column = 0; column < dim; column++) matrix[column * dim + column] = signs[column]!;
  // Rows of the diagonal matrix are its columns, so this gives the transpose, row by row.
  for (let row = 0; row < dim; row++) hadamard(matrix, row * dim, dim);
  return transpose(matrix, dim);
}

/** The transpose of a square matrix. */
export function transpose(matrix: Float64Array, dim: number): Float64Array {
  return matrix.map((_, i) => matrix[i % dim * dim + Math.floor(i / dim)]!);
}
