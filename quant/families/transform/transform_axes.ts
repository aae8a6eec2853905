/**
 * The axes of `transform`: principal components of one layer's keys or values, under what an error
 * in each direction costs.
 *
 * @module
 */
import type { KeptLayer, KeptSamples, QueryMoments } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { LearnedOnce } from "../../learned_once.ts";
import { secondMoment } from "../../numerics/second_moment.ts";
import { type PrincipalAxes, principalAxes } from "../../numerics/principal_axes.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { learnedTokens, tokenRows } from "../../sample_rows.ts";
import type { CpuTensor } from "../../tensor.ts";
import { centre } from "../../numerics/centre.ts";

/** Most channels that are transformed together; the axes take time and memory as its square. */
export const MOST_CHANNELS = 256;

/**
 * What a logit's variance weighs against the relative squared error of the cache; chosen by
 * measurement (docs/adaptive.md).
 */
export const QUERY_WEIGHT = 4e-3;

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

/** Axes of one layer and kind. */
export interface TransformAxes {
  readonly blocks: readonly BlockAxes[];
  /**
   * Of every component, block after block: what leaving it out costs, a share of the cache's energy
   * plus, for keys, a weighted logit variance. It is the component's variance too.
   */
  readonly variances: readonly number[];
  /** Every component's share of the cache's energy. */
  readonly energies: readonly number[];
}

/** Axes of one calibration set, by layer and kind: policies and stores ask for the same ones. */
const known = new LearnedOnce<TransformAxes>();

/** Axes of every block of heads of one layer and kind. */
export function transformAxes(
  samples: KeptSamples,
  layerIndex: number,
  kind: KvKind,
): TransformAxes {
  const key = `${layerIndex} ${kind}`;
  return known.get(samples, key, () => computeAxes(samples, layerIndex, kind));
}

/** The tensors that `transform` codes: keys before RoPE, or values. */
function codedTensors(layer: KeptLayer, kind: KvKind): readonly CpuTensor[] {
  return kind === "key" ? layer.preRopeKeys : layer.values;
}

function computeAxes(
  samples: KeptSamples,
  layerIndex: number,
  kind: KvKind,
): TransformAxes {
  const layer = samples.layers[layerIndex]!;
  const tensors = codedTensors(layer, kind);
  const { heads, headDim } = tensors[0]!;
  const size = blockHeads(heads, headDim);
  const n = size * headDim;
  const energy = meanEnergy(tensors);
  const tokens = learnedTokens(samples.positions, 0);
  const blocks: BlockAxes[] = [];
  for (let head = 0; head < heads; head += size) {
    const rows = tokenRows([tensors], tokens, head, size);
    const mean = centre(rows, n);
    const metric = new Float64Array(n).fill(1 / energy);
    if (kind === "key") {
      for (let h = 0; h < size; h++) {
        const reads = queryMetric(layer.queries[head + h]!, samples);
        // Of what an error costs only the channels' own part: then one matrix serves both ways.
        for (let i = 0; i < headDim; i++) {
          metric[h * headDim + i]! += QUERY_WEIGHT * reads[i * headDim + i]! / headDim;
        }
      }
    }
    blocks.push({ mean, ...principalAxes(secondMoment(rows, n), metric, n) });
  }
  return {
    blocks,
    variances: blocks.flatMap(({ variances }) => [...variances]),
    energies: blocks.flatMap(({ variances, inverse }) =>
      [...variances].map((variance, i) =>
        variance * sumOfSquares(inverse.subarray(i * n, (i + 1) * n)) / energy
      )
    ),
  };
}

/** Tokens that go through a matrix at a time. */
const TILE = 256;

/** Calls `visit` with the values of every component over the calibration set, block after block. */
export function visitComponents(
  samples: KeptSamples,
  layer: number,
  kind: KvKind,
  visit: (component: number, values: Float32Array<ArrayBuffer>) => void,
): void {
  const tensors = codedTensors(samples.layers[layer]!, kind);
  const { heads, headDim } = tensors[0]!;
  const { blocks } = transformAxes(samples, layer, kind);
  const size = heads / blocks.length;
  const n = size * headDim;
  const width = paddedTo4(n);
  const learned = learnedTokens(samples.positions, 0);
  for (const [b, { forward, mean }] of blocks.entries()) {
    const rows = tokenRows([tensors], learned, b * size, size);
    const tokens = rows.length / n;
    const matrix = new Float32Array(width * width);
    for (let i = 0; i < n; i++) {
      for (let c = 0; c < n; c++) matrix[i * width + c] = forward[i * n + c]!;
    }
    const values = Array.from({ length: n }, () => new Float32Array(tokens));
    const [input, output] = [new Float32Array(TILE * width), new Float32Array(TILE * width)];
    for (let first = 0; first < tokens; first += TILE) {
      const count = Math.min(TILE, tokens - first);
      for (let t = 0; t < count; t++) {
        for (let c = 0; c < n; c++) input[t * width + c] = rows[(first + t) * n + c]! - mean[c]!;
      }
      rowsTimesColumns(input, count, matrix, width, width, output);
      for (let i = 0; i < n; i++) {
        for (let t = 0; t < count; t++) values[i]![first + t] = output[t * width + i]!;
      }
    }
    values.forEach((own, i) => visit(b * n + i, own));
  }
}

function sumOfSquares(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const x of values) sum += x * x;
  return sum;
}

/** Squared norm of a token's vector over all heads, averaged over tokens. */
function meanEnergy(tensors: readonly CpuTensor[]): number {
  let sum = 0, tokens = 0;
  for (const { data, capacity } of tensors) {
    sum += sumOfSquares(data);
    tokens += capacity;
  }
  // Of next to nothing a share means nothing, and its inverse would be infinite in float32.
  return sum / tokens > 1e-30 ? sum / tokens : 1;
}

/**
 * Second moment of the queries as a key before RoPE meets them. A key at distance `d` before a query
 * is met by the query turned back by `d` positions, so the moment is averaged over distances, evenly
 * on a logarithmic scale. The scale of positions is on both sides of it, the key's and the query's.
 */
function queryMetric(
  { preRopeMoment }: QueryMoments,
  { longest, rotary: { theta, stretch, scale } }: KeptSamples,
): Float64Array {
  const half = stretch.length;
  const n = 2 * half;
  const distances: number[] = [0];
  for (let d = 1; d < longest; d *= 2) distances.push(d);
  const frequency = Float64Array.from(stretch, (s, i) => theta ** (-2 * i / n) / s);
  const sum = new Float64Array(n * n);
  const turned = new Float64Array(n * n);
  for (const distance of distances) {
    // The moment of turned vectors: its rows are turned, then its columns.
    turned.set(preRopeMoment);
    for (const [across, along] of [[n, 1], [1, n]] as const) {
      for (let i = 0; i < half; i++) {
        const angle = distance * frequency[i]!;
        const [c, s] = [scale ** 2 * Math.cos(angle), scale ** 2 * Math.sin(angle)];
        for (let j = 0; j < n; j++) {
          const [low, high] = [i * across + j * along, (half + i) * across + j * along];
          const [a, b] = [turned[low]!, turned[high]!];
          turned[low] = a * c - b * s;
          turned[high] = b * c + a * s;
        }
      }
    }
    for (let i = 0; i < sum.length; i++) sum[i]! += turned[i]! / distances.length;
  }
  return sum;
}
