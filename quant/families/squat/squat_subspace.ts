/**
 * From the queries of the prompt to the corrections of SQuat: what an error in some channels must add
 * to later ones, so that as little of it as possible lies in the subspace of the queries.
 *
 * Wang et al., "SQuat: Subspace-orthogonal KV Cache Quantization", arXiv 2503.24358, section 4;
 * Red-Hat-AI-Innovation-Team/SQuat, models/llama_squat.py and quant/new_pack.py (generate_At_inv,
 * new_quant).
 *
 * With the truncated singular value decomposition `S = diag(sigma) V^T` of the queries, errors are
 * weighed by `A = I + lambda S^T S`. The official code passes the error `e` of block `i` on as
 * `e H_i^T B_i^T`, where `B_i` is a part of `A^-1` and `H_i` are columns of a Schur complement of `A`.
 * By the block inverse that product is `-(A_ll)^-1 A_li`, with `l` the later channels and `i` the block:
 * the change of later channels that minimises the weighed error. (A regularisation of 1e-7 in the
 * official Schur complements is left out; `A_ll` has no eigenvalue below 1.) Sweeping `A` over the
 * later channels leaves exactly that product in place (Beaton, "The use of special matrix operators in
 * statistical calculus", 1964).
 *
 * @module
 */
import { Matrix } from "ml-matrix";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { symmetricEigen } from "../../numerics/symmetric_eigen.ts";
import { correctionBlocks, correctionSize, type SquatCorrection } from "./squat_settings.ts";

/**
 * Corrections of one KV head: block after block, `[later channels][channels of the block]`.
 *
 * @param gram sum over queries of `q q^T`, `[headDim][headDim]`
 * @param queries queries that went into it; the subspace has no more dimensions
 */
export function squatCorrections(
  gram: Float64Array,
  queries: number,
  headDim: number,
  { subspaceDim, lambda, blockChannels }: SquatCorrection,
): Float64Array {
  const matrix = weightMatrix(gram, Math.min(subspaceDim, queries), headDim, lambda);
  const out = new Float64Array(correctionSize(headDim, blockChannels));
  const blocks = correctionBlocks(headDim, blockChannels);
  let swept = headDim;
  for (const { firstChannel, later, offset } of blocks.reverse()) {
    while (swept > headDim - later) sweep(matrix, headDim, --swept);
    for (let row = 0; row < later; row++) {
      const from = (headDim - later + row) * headDim + firstChannel;
      for (let i = 0; i < blockChannels; i++) {
        out[offset + row * blockChannels + i] = -matrix[from + i]!;
      }
    }
  }
  return out;
}

/** `I + lambda V diag(sigma^2) V^T` over the largest `rank` singular values. */
function weightMatrix(
  gram: Float64Array,
  rank: number,
  headDim: number,
  lambda: number,
): Float64Array {
  // The singular values of the queries, squared, are the eigenvalues of their Gram matrix.
  const { values, vectors } = symmetricEigen(Matrix.from1DArray(headDim, headDim, gram));
  const largest = values.map((_, i) => i)
    .sort((a, b) => values[b]! - values[a]!)
    .slice(0, rank);
  const scaled = new Float64Array(headDim * rank);
  largest.forEach((from, column) => {
    const sigma = Math.sqrt(lambda * Math.max(0, values[from]!));
    for (let i = 0; i < headDim; i++) scaled[i * rank + column] = vectors.get(i, from) * sigma;
  });
  const matrix = new Float64Array(headDim * headDim);
  multiplyRows(scaled, headDim, scaled, headDim, rank, matrix);
  for (let i = 0; i < headDim; i++) matrix[i * (headDim + 1)]! += 1;
  return matrix;
}

/** Sweeps a square matrix over index `k`, in place. */
function sweep(matrix: Float64Array, n: number, k: number): void {
  const inverse = 1 / matrix[k * n + k]!;
  const row = matrix.slice(k * n, (k + 1) * n);
  for (let i = 0; i < n; i++) {
    const factor = matrix[i * n + k]! * inverse;
    if (i === k) continue;
    for (let j = 0; j < n; j++) matrix[i * n + j]! -= factor * row[j]!;
    matrix[i * n + k] = -factor;
  }
  for (let j = 0; j < n; j++) matrix[k * n + j] = row[j]! * inverse;
  matrix[k * n + k] = inverse;
}
