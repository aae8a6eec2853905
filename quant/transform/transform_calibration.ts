/**
 * What `transform` learns: axes, means and codebooks of one layer and kind.
 *
 * @module
 */
import type { Calibration, CalibrationSamples, LayerSamples } from "../calibration.ts";
import type { KvKind } from "../family.ts";
import { multiplyRows, secondMoment } from "../numerics/multiply_rows.ts";
import { type PrincipalAxes, principalAxes } from "../numerics/principal_axes.ts";
import { learnLevels } from "../numerics/scalar_codebook.ts";
import type { CpuTensor } from "../tensor.ts";
import { EXACT, type TransformSettings } from "./transform.ts";

/** Most channels that are transformed together; the axes take time and memory as its square. */
export const MOST_CHANNELS = 256;

/**
 * What a logit's variance weighs against the relative squared error of the cache. The one number of
 * this family that was chosen by measurement (docs/adaptive.md).
 */
export const QUERY_WEIGHT = 4e-3;

/** Tokens that axes and codebooks are learned from, at most. */
const MOST_ROWS = 8192;

/** Heads whose channels are transformed together: as many as divide the heads and fit. */
export function blockHeads(heads: number, headDim: number): number {
  for (let count = heads; count > 1; count--) {
    if (heads % count === 0 && count * headDim <= MOST_CHANNELS) return count;
  }
  return 1;
}

/** Mean and principal axes of one block of heads. */
export interface BlockAxes extends PrincipalAxes {
  readonly mean: Float64Array;
}

/** Axes of one calibration set, by layer and kind: policies and stores ask for the same ones. */
const known = new WeakMap<CalibrationSamples, Map<string, BlockAxes[]>>();

/** The tensors that `transform` codes: keys before RoPE, or values. */
function codedTensors(layer: LayerSamples, kind: KvKind): readonly CpuTensor[] {
  return kind === "key" ? layer.preRopeKeys : layer.values;
}

/**
 * Axes of every block of heads of one layer and kind. Their variances are shares of the cache's
 * energy plus, for keys, the weighted variance of the logits, so they compare across layers and
 * kinds.
 */
export function transformAxes(
  samples: CalibrationSamples,
  layerIndex: number,
  kind: KvKind,
): BlockAxes[] {
  let ofSamples = known.get(samples);
  if (ofSamples === undefined) known.set(samples, ofSamples = new Map());
  const key = `${layerIndex} ${kind}`;
  let axes = ofSamples.get(key);
  if (axes === undefined) ofSamples.set(key, axes = computeAxes(samples, layerIndex, kind));
  return axes;
}

function computeAxes(samples: CalibrationSamples, layerIndex: number, kind: KvKind): BlockAxes[] {
  const layer = samples.layers[layerIndex]!;
  const tensors = codedTensors(layer, kind);
  const { heads, headDim } = tensors[0]!;
  const size = blockHeads(heads, headDim);
  const energy = meanEnergy(tensors);
  const axes: BlockAxes[] = [];
  for (let head = 0; head < heads; head += size) {
    const n = size * headDim;
    const rows = chosenRows(tensors, head, size);
    const mean = centre(rows, n);
    const covariance = secondMoment(rows, n);
    const metric = new Float64Array(n * n);
    for (let i = 0; i < n; i++) metric[i * n + i] = 1 / energy;
    if (kind === "key") {
      for (let h = 0; h < size; h++) {
        const reads = queryMetric(layer.queries, head + h, heads, samples.ropeTheta);
        for (let i = 0; i < headDim; i++) {
          for (let j = 0; j < headDim; j++) {
            metric[(h * headDim + i) * n + h * headDim + j]! += QUERY_WEIGHT *
              reads[i * headDim + j]! / headDim;
          }
        }
      }
    }
    axes.push({ mean, ...principalAxes(covariance, metric, n) });
  }
  return axes;
}

/** Learns everything a store needs. */
export function learnTransform(
  samples: CalibrationSamples,
  settings: TransformSettings,
): Calibration {
  const { layer, kind, heads, headDim, widths } = settings;
  const blocks = transformAxes(samples, layer, kind);
  const size = blockHeads(heads, headDim);
  const n = size * headDim;
  const tensors = codedTensors(samples.layers[layer]!, kind);
  const concat = (parts: Float64Array[]) => Float32Array.from(parts.flatMap((p) => [...p]));
  const levels: number[] = [];
  const deviations: number[] = [];
  for (const [b, { forward }] of blocks.entries()) {
    const rows = chosenRows(tensors, b * size, size);
    centre(rows, n);
    const tokens = rows.length / n;
    // Components as rows: `forward` times the transpose of the vectors.
    const components = new Float64Array(n * tokens);
    multiplyRows(forward, n, rows, tokens, n, components);
    for (let i = 0; i < n; i++) {
      const component = components.subarray(i * tokens, (i + 1) * tokens);
      deviations.push(Math.sqrt(component.reduce((sum, x) => sum + x * x, 0) / tokens));
      const width = widths[b * n + i]!;
      if (width === 0 || width === EXACT) continue;
      levels.push(
        ...(settings.levels === "learned"
          ? learnLevels(component.sort(), width)
          : evenLevels(width)),
      );
    }
  }
  return {
    mean: concat(blocks.map((b) => b.mean)),
    forward: concat(blocks.map((b) => b.forward)),
    inverse: concat(blocks.map((b) => b.inverse)),
    deviations: Float32Array.from(deviations),
    levels: Float32Array.from(levels),
  };
}

/** Levels over the range -1 to 1, ends included; a single bit tells the sign. */
function evenLevels(width: number): number[] {
  if (width === 1) return [-0.5, 0.5];
  const top = 2 ** width - 1;
  return Array.from({ length: top + 1 }, (_, code) => 2 * code / top - 1);
}

/** Squared norm of a token's vector over all heads, averaged over tokens. */
function meanEnergy(tensors: readonly CpuTensor[]): number {
  let sum = 0, tokens = 0;
  for (const { data, capacity } of tensors) {
    for (const x of data) sum += x * x;
    tokens += capacity;
  }
  return Math.max(sum / tokens, Number.MIN_VALUE);
}

/** Vectors of heads `head .. head + size`, `[tokens][channels]`, of an even choice of tokens. */
function chosenRows(tensors: readonly CpuTensor[], head: number, size: number): Float64Array {
  const { headDim } = tensors[0]!;
  const n = size * headDim;
  const tokens = tensors.reduce((sum, t) => sum + t.capacity, 0);
  const stride = Math.max(1, Math.ceil(tokens / MOST_ROWS));
  const rows = new Float64Array(Math.ceil(tokens / stride) * n);
  let index = 0, at = 0;
  for (const { data, capacity } of tensors) {
    for (let t = 0; t < capacity; t++, index++) {
      if (index % stride !== 0) continue;
      for (let h = 0; h < size; h++, at += headDim) {
        const from = ((head + h) * capacity + t) * headDim;
        for (let d = 0; d < headDim; d++) rows[at + d] = data[from + d]!;
      }
    }
  }
  return rows;
}

/** Takes the mean off rows, in place, and returns it. */
function centre(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  const mean = new Float64Array(n);
  for (let at = 0; at < rows.length; at += n) {
    for (let i = 0; i < n; i++) mean[i] = mean[i]! + rows[at + i]! / count;
  }
  for (let at = 0; at < rows.length; at += n) {
    for (let i = 0; i < n; i++) rows[at + i] = rows[at + i]! - mean[i]!;
  }
  return mean;
}

/**
 * Second moment of the queries as a key before RoPE meets them. A key at distance `d` before a query
 * is met by the query turned back by `d` positions, so the moment is averaged over distances, evenly
 * on a logarithmic scale.
 */
function queryMetric(
  queries: readonly CpuTensor[],
  kvHead: number,
  kvHeads: number,
  theta: number,
): Float64Array {
  const { heads, headDim } = queries[0]!;
  const half = headDim / 2;
  const group = heads / kvHeads;
  const longest = Math.max(...queries.map((q) => q.capacity));
  const distances: number[] = [0];
  for (let d = 1; d < longest; d *= 2) distances.push(d);
  const frequency = Float64Array.from({ length: half }, (_, i) => theta ** (-2 * i / headDim));
  const moment = new Float64Array(headDim * headDim);
  const turned = new Float64Array(headDim);
  let count = 0;
  for (const { data, capacity } of queries) {
    // Neighbouring queries say much the same; a stride keeps the work small.
    for (let t = 0; t < capacity; t += 4) {
      for (let g = 0; g < group; g++) {
        const from = ((kvHead * group + g) * capacity + t) * headDim;
        // Back to before RoPE, then to one of the distances: every query is used once.
        const angle = distances[count % distances.length]! - t;
        for (let i = 0; i < half; i++) {
          const [c, s] = [Math.cos(angle * frequency[i]!), Math.sin(angle * frequency[i]!)];
          const [a, b] = [data[from + i]!, data[from + half + i]!];
          turned[i] = a * c - b * s;
          turned[half + i] = b * c + a * s;
        }
        for (let i = 0; i < headDim; i++) {
          for (let j = 0; j < headDim; j++) moment[i * headDim + j]! += turned[i]! * turned[j]!;
        }
        count++;
      }
    }
  }
  for (let i = 0; i < moment.length; i++) moment[i]! /= count;
  return moment;
}
