/**
 * Principal axes of a cloud of vectors under a metric: the directions in which independent scalar
 * codes lose least (Karhunen-Loève transform; Goyal, "Theoretical Foundations of Transform Coding",
 * IEEE Signal Processing Magazine 18(5), 2001).
 *
 * @module
 */
import { Matrix } from "ml-matrix";
import { symmetricEigen } from "./symmetric_eigen.ts";

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
 * Axes along which the covariance is diagonal and the metric is the identity.
 *
 * @param covariance `[n][n]`, row-major, symmetric
 * @param metric `[n]`: what an error in each channel costs, positive
 */
export function principalAxes(
  covariance: Float64Array,
  metric: Float64Array,
  n: number,
): PrincipalAxes {
  // Channels that cost next to nothing would blow up the inverse.
  const floor = metric.reduce((a, b) => Math.max(a, b)) * 1e-9;
  const roots = metric.map((cost) => Math.sqrt(Math.max(cost, floor)));
  const spread = Matrix.from1DArray(n, n, covariance);
  roots.forEach((root, i) => spread.mulRow(i, root).mulColumn(i, root));
  const { values, vectors } = symmetricEigen(spread);
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
  const basis = vectors.subMatrixColumn(order).transpose();
  const inverse = basis.clone();
  roots.forEach((root, i) => {
    basis.mulColumn(i, root);
    inverse.mulColumn(i, 1 / root);
  });
  return {
    variances: Float64Array.from(order, (i) => Math.max(0, values[i]!)),
    forward: Float64Array.from(basis.to1DArray()),
    inverse: Float64Array.from(inverse.to1DArray()),
  };
}
