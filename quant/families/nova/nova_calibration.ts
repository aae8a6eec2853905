/**
 * What `nova` learns: for every head of keys the transform in which squared errors are errors of logits,
 * and codewords for what it makes of keys; for values a rotation.
 *
 * NOVA-KV, arXiv 2608.04074; Amir-zsh/nova-kv@d81c77b, calibration/fit_vq_codebook.py (keys) and
 * calibration/compute_kv_rotation.py (values: `sst`, `r_h_pbr`). There, matrices are kept in bfloat16,
 * here in float32. The permutation of a value's components is left out: with one scale for a head it
 * changes nothing.
 *
 * @module
 */
import { Matrix } from "ml-matrix";
import type { Calibration, KeptLayer, KeptSamples } from "../../calibration.ts";
import { centre } from "../../numerics/centre.ts";
import { evenRows } from "../../numerics/even_rows.ts";
import { hadamardRows } from "../../numerics/hadamard_rows.ts";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { secondMoment } from "../../numerics/second_moment.ts";
import { symmetricEigen } from "../../numerics/symmetric_eigen.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { learnedTokens, tokenRows } from "../../sample_rows.ts";
import { placeName } from "../../setting_checks.ts";
import { learnCodebook } from "./key_codebook.ts";
import { CODEWORDS, GROUP, type NovaSettings } from "./nova_settings.ts";

/** Tokens that codewords are learned from, at most. */
const CODEBOOK_TOKENS = 2048;
/** Directions that queries hardly look along would blow up the inverse. */
const LEAST_ENERGY = 1e-9;

/** Learns what settings ask for. */
export function learnNova(samples: KeptSamples, settings: NovaSettings): Calibration {
  const layer = samples.layers[settings.layer]!;
  if (layer.queries.length === 0) {
    throw new QuantizerError(
      `${
        placeName(settings)
      }: family "nova" learns from queries, which the samples have not; give it ` +
        `samples with queries`,
    );
  }
  return settings.kind === "key"
    ? learnKeys(layer, samples.positions, settings)
    : learnValues(layer, samples.positions, settings);
}

function learnKeys(
  { keys, queries }: KeptLayer,
  positions: readonly Int32Array[],
  { heads, headDim, layer, sinkTokens }: NovaSettings,
): Calibration {
  const size = headDim * headDim;
  const groups = headDim / GROUP;
  const forward = new Float32Array(heads * size);
  const inverse = new Float32Array(heads * size);
  const mean = new Float32Array(heads * headDim);
  const codebook = new Int32Array(heads * groups * CODEWORDS);
  const tokens = learnedTokens(positions, sinkTokens);
  for (let head = 0; head < heads; head++) {
    const rows = tokenRows([keys], tokens, head, 1);
    mean.set(centre(rows, headDim), head * headDim);
    const basis = keyBasis(queries[head]!.moment, secondMoment(rows, headDim), headDim);
    forward.set(basis.forward, head * size);
    inverse.set(basis.inverse, head * size);
    const components = normalized(rows, basis.forward, headDim);
    const count = components.length / headDim;
    for (let g = 0; g < groups; g++) {
      const points = new Float64Array(count * GROUP);
      for (let t = 0; t < count; t++) {
        const from = t * headDim + g * GROUP;
        points.set(components.subarray(from, from + GROUP), t * GROUP);
      }
      const words = learnCodebook(points, layer * heads + head);
      codebook.set(words, (head * groups + g) * CODEWORDS);
    }
  }
  return { forward, inverse, mean, codebook };
}

/** Components of some of the rows, each row divided by its root mean square. */
function normalized(rows: Float64Array, forward: Float64Array, n: number): Float64Array {
  const some = evenRows(rows, n, CODEBOOK_TOKENS);
  const out = new Float64Array(some.length);
  multiplyRows(some, some.length / n, forward, n, n, out);
  for (let at = 0; at < out.length; at += n) {
    let square = 0;
    for (let i = at; i < at + n; i++) square += out[i]! * out[i]!;
    const scale = Math.sqrt(square / n);
    for (let i = at; i < at + n; i++) out[i] = scale > 0 ? out[i]! / scale : 0;
  }
  return out;
}

/**
 * The root of the queries' moment, then the axes along which what it makes of keys is uncorrelated,
 * dealt out so that every group of four has strong and weak ones; in units of the mean component.
 */
function keyBasis(queryMoment: Float64Array, covariance: Float64Array, n: number) {
  const queries = symmetricEigen(Matrix.from1DArray(n, n, queryMoment));
  const floor = LEAST_ENERGY * Math.max(...queries.values, Number.MIN_VALUE);
  const roots = queries.values.map((value) => Math.sqrt(Math.max(value, floor)));
  const scaledBy = (factors: readonly number[]) =>
    queries.vectors.mmul(Matrix.diag([...factors])).mmul(queries.vectors.transpose());
  const root = scaledBy(roots);
  const seen = root.mmul(Matrix.from1DArray(n, n, covariance)).mmul(root);
  // Its rounding is not symmetric.
  const keys = symmetricEigen(Matrix.add(seen, seen.transpose()).mul(0.5));
  const descending = keys.values.map((_, i) => i).sort((a, b) => keys.values[b]! - keys.values[a]!);
  const groups = n / GROUP;
  const order = Array.from(
    { length: n },
    (_, i) => descending[Math.floor(i / GROUP) + i % GROUP * groups]!,
  );
  const axes = keys.vectors.subMatrixColumn(order).transpose();
  const energy = keys.values.reduce((sum, value) => sum + Math.max(0, value), 0) / n;
  const unit = energy > 0 ? Math.sqrt(energy) : 1;
  const forward = axes.mmul(root).mul(1 / unit);
  const inverse = scaledBy(roots.map((r) => 1 / r)).mmul(axes.transpose()).mul(unit);
  return {
    forward: Float64Array.from(forward.to1DArray()),
    inverse: Float64Array.from(inverse.to1DArray()),
  };
}

/** Principal axes of values, each weighed by how much its key is looked at; then a Hadamard matrix. */
function learnValues(
  { keys, values, queries }: KeptLayer,
  positions: readonly Int32Array[],
  { heads, headDim: n, sinkTokens }: NovaSettings,
): Calibration {
  const sum = new Float64Array(n * n);
  const tokens = learnedTokens(positions, sinkTokens);
  for (let head = 0; head < heads; head++) {
    const keyRows = tokenRows([keys], tokens, head, 1);
    const rows = tokenRows([values], tokens, head, 1);
    const count = rows.length / n;
    const { moment } = queries[head]!;
    const looked = new Float64Array(keyRows.length);
    multiplyRows(keyRows, count, moment, n, n, looked);
    const weights = new Float64Array(count);
    for (let t = 0; t < count; t++) {
      for (let i = t * n; i < (t + 1) * n; i++) weights[t]! += looked[i]! * keyRows[i]!;
    }
    const all = Math.max(weights.reduce((a, b) => a + b, 0), 1e-12);
    for (let t = 0; t < count; t++) {
      const root = Math.sqrt(Math.max(0, weights[t]!) / all * count);
      for (let i = 0; i < n; i++) rows[t * n + i]! *= root;
    }
    secondMoment(rows, n).forEach((x, i) => sum[i]! += x / heads);
  }
  const { vectors } = symmetricEigen(Matrix.from1DArray(n, n, sum));
  // Rows of the eigenvectors times the Hadamard matrix are channels by components.
  const rotated = Float32Array.from(vectors.to1DArray());
  hadamardRows(rotated, n, n);
  const rotation = new Float32Array(n * n);
  for (let c = 0; c < n; c++) {
    for (let i = 0; i < n; i++) rotation[i * n + c] = rotated[c * n + i]!;
  }
  return { rotation };
}
