/**
 * @module
 */
import { EigenvalueDecomposition, type Matrix } from "ml-matrix";

/** Eigenvalues of a symmetric matrix, and its eigenvectors, of which each is a column. */
export function symmetricEigen(matrix: Matrix): { values: number[]; vectors: Matrix } {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  return { values: realEigenvalues, vectors: eigenvectorMatrix };
}
