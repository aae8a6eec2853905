/**
 * Principal axes of a cloud of vectors under a metric: the directions in which independent scalar
 * codes lose least (Karhunen-Loève transform; Goyal, "Theoretical Foundations of Transform Coding",
 * IEEE Signal Processing Magazine 18(5), 2001).
 *
 * @module
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Axes in order of decreasing variance. */
export interface PrincipalAxes {
  /** Variance along each axis, in units of the metric; never negative. */
  readonly variances: Float64Array;
  /** `[axis][channel]`: component `i` of `x` is `forward[i] . (x - mean)`. */
  readonly forward: Float64Array;
  /** `[axis][channel]`: `x - mean` is the sum of component `i` times `inverse[i]`. */
  readonly inverse: Float64Array;
}

/**
 * Axes along which the covariance is diagonal and the metric `e^T M e` is the identity.
 *
 * @param covariance `[n][n]`, row-major, symmetric
 * @param metric `M`, `[n][n]`, row-major, symmetric positive definite: what an error `e` costs
 */
export function principalAxes(
  covariance: Float64Array,
  metric: Float64Array,
  n: number,
): PrincipalAxes {
  const { root, inverseRoot } = squareRoots(metric, n);
  const spread = root.mmul(Matrix.from1DArray(n, n, covariance)).mmul(root);
  const { values, vectors } = symmetricEigen(spread);
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
  const basis = vectors.subMatrixColumn(order);
  const forward = basis.transpose().mmul(root);
  const inverse = basis.transpose().mmul(inverseRoot);
  return {
    variances: Float64Array.from(order, (i) => Math.max(0, values[i]!)),
    forward: Float64Array.from(forward.to1DArray()),
    inverse: Float64Array.from(inverse.to1DArray()),
  };
}

function squareRoots(metric: Float64Array, n: number): { root: Matrix; inverseRoot: Matrix } {
  // Where all directions cost alike there is nothing to decompose.
  const alike = Math.sqrt(metric[0]!);
  if (metric.every((entry, i) => entry === (i % (n + 1) === 0 ? metric[0] : 0))) {
    return { root: Matrix.eye(n, n, alike), inverseRoot: Matrix.eye(n, n, 1 / alike) };
  }
  const { values, vectors } = symmetricEigen(Matrix.from1DArray(n, n, metric));
  // Directions that cost next to nothing would blow up the inverse.
  const floor = Math.max(...values) * 1e-9;
  const scaled = (power: number) => {
    const columns = vectors.clone();
    values.forEach((value, i) => columns.mulColumn(i, Math.max(value, floor) ** power));
    return columns.mmul(vectors.transpose());
  };
  return { root: scaled(0.5), inverseRoot: scaled(-0.5) };
}

function symmetricEigen(matrix: Matrix): { values: number[]; vectors: Matrix } {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  return { values: realEigenvalues, vectors: eigenvectorMatrix };
}
