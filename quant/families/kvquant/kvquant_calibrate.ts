/**
 * What `kvquant` learns offline: per-channel thresholds, a codebook per width, and Q-Norm.
 *
 * SqueezeAILab/KVQuant, quant/kvquant/simquant_module_quantizer.py, SimQuant.quantize.
 *
 * @module
 */
import type { Calibration, CalibrationArray, KeptSamples } from "../../calibration.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { roundToHalf } from "../../packing/half.ts";
import { kmeans1d } from "../../numerics/kmeans_1d.ts";
import type { KvquantSettings } from "./kvquant_settings.ts";
import { percentile } from "../../numerics/percentile.ts";
import { placeName } from "../../setting_checks.ts";
import type { CpuTensor } from "../../tensor.ts";

/** k-means iterations (SimQuant.quantize, max_iter). */
const ITERATIONS = 50;
const SEED = 0;

/** Upper and lower ends of ranges. */
export interface Thresholds {
  readonly upper: Float32Array<ArrayBuffer>;
  readonly lower: Float32Array<ArrayBuffer>;
}

/** A matrix `[rows, columns]` of calibration entries: tokens by the channels of all heads. */
export interface CalibrationMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array<ArrayBuffer>;
  /** Squared gradients of the loss, same shape, when the samples carry them. */
  readonly weights?: Float32Array<ArrayBuffer>;
  /** Row and column are left out of the codebook where this says so (the sink tokens). */
  readonly excludedRows: Uint8Array;
}

/**
 * All samples one below the other; those at the first `sinkTokens` positions of each are excluded.
 *
 * @param positions of every sample's tokens
 */
export function calibrationMatrix(
  samples: readonly CpuTensor[],
  weights: readonly CpuTensor[] | undefined,
  sinkTokens: number,
  positions: readonly Int32Array[],
): CalibrationMatrix {
  const { heads, headDim } = samples[0]!;
  const columns = heads * headDim;
  const rows = samples.reduce((sum, { capacity }) => sum + capacity, 0);
  const gather = (tensors: readonly CpuTensor[]) => {
    const matrix = new Float32Array(rows * columns);
    let row = 0;
    for (const { data, capacity } of tensors) {
      for (let head = 0; head < heads; head++) {
        for (let t = 0; t < capacity; t++) {
          const from = (head * capacity + t) * headDim;
          matrix.set(data.subarray(from, from + headDim), (row + t) * columns + head * headDim);
        }
      }
      row += capacity;
    }
    return matrix;
  };
  const excludedRows = Uint8Array.from(
    positions.flatMap((own) => Array.from(own, (position) => Number(position < sinkTokens))),
  );
  return {
    rows,
    columns,
    data: gather(samples),
    ...(weights === undefined ? {} : { weights: gather(weights) }),
    excludedRows,
  };
}

/** Percentiles `100 t` and `100 (1 - t)` of every column, `t = 1 - outliersRatio / 2`. */
export function columnThresholds(matrix: CalibrationMatrix, outliersRatio: number): Thresholds {
  const { rows, columns, data } = matrix;
  const column = new Float32Array(rows);
  return thresholds(columns, outliersRatio, (index) => {
    for (let row = 0, i = index; row < rows; row++, i += columns) column[row] = data[i]!;
    return column.sort();
  });
}

/** The same of every row. */
export function rowThresholds(matrix: CalibrationMatrix, outliersRatio: number): Thresholds {
  const { rows, columns, data } = matrix;
  return thresholds(
    rows,
    outliersRatio,
    (index) => data.slice(index * columns, (index + 1) * columns).sort(),
  );
}

function thresholds(
  count: number,
  outliersRatio: number,
  sorted: (index: number) => Float32Array,
): Thresholds {
  const upper = new Float32Array(count);
  const lower = new Float32Array(count);
  const t = 100 * (1 - outliersRatio / 2);
  for (let i = 0; i < count; i++) {
    const line = sorted(i);
    upper[i] = percentile(line, t);
    lower[i] = percentile(line, 100 - t);
  }
  return { upper, lower };
}

/** Normalised entries that a codebook is learned from, ascending, and their weights. */
export interface NormalizedEntries {
  readonly values: Float32Array<ArrayBuffer>;
  readonly weights?: Float32Array<ArrayBuffer>;
}

/** Every entry as `(x - mid) / half`, those beyond 1 and of excluded rows left out, sorted. */
export function normalizedEntries(
  matrix: CalibrationMatrix,
  { upper, lower }: Thresholds,
  axis: KvquantSettings["axis"],
): NormalizedEntries {
  const { rows, columns, data, weights, excludedRows } = matrix;
  const kept = new Float32Array(data.length);
  const keptWeights = weights === undefined ? undefined : new Float32Array(data.length);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    if (excludedRows[row]) continue;
    for (let column = 0; column < columns; column++) {
      const line = axis === "channel" ? column : row;
      const half = Math.fround((upper[line]! - lower[line]!) / 2);
      if (half === 0) continue;
      const mid = Math.fround((upper[line]! + lower[line]!) / 2);
      const z = Math.fround(Math.fround(data[row * columns + column]! - mid) / half);
      if (!(Math.abs(z) <= 1)) continue;
      if (keptWeights !== undefined) keptWeights[count] = weights![row * columns + column]!;
      kept[count++] = z;
    }
  }
  if (keptWeights === undefined) return { values: kept.slice(0, count).sort() };
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  order.sort((a, b) => kept[a]! - kept[b]!);
  return {
    values: Float32Array.from(order, (i) => kept[i]!),
    weights: Float32Array.from(order, (i) => keptWeights[i]!),
  };
}

/** The codebook of a width: k-means of the normalised entries. */
export function learnCodebook(
  { values, weights }: NormalizedEntries,
  bits: number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from(kmeans1d(values, 2 ** bits, {
    iterations: ITERATIONS,
    seed: SEED,
    ...(weights === undefined ? {} : { weights }),
  }));
}

/**
 * Q-Norm: scale and offset that give the codebook's values the mean and the standard deviation of
 * the entries they stand for.
 */
export function learnNorm(
  { values }: NormalizedEntries,
  entries: Float32Array,
): Float32Array<ArrayBuffer> {
  let code = 0;
  let sum = 0, squares = 0, codedSum = 0, codedSquares = 0;
  for (const z of values) {
    while (
      code + 1 < entries.length && z > (entries[code]! + entries[code + 1]!) / 2
    ) code++;
    const coded = entries[code]!;
    sum += z;
    squares += z * z;
    codedSum += coded;
    codedSquares += coded * coded;
  }
  const n = values.length;
  const [mean, codedMean] = [sum / n, codedSum / n];
  const spread = Math.sqrt(squares / n - mean * mean);
  const codedSpread = Math.sqrt(codedSquares / n - codedMean * codedMean);
  const scale = codedSpread > 0 ? spread / codedSpread : 1;
  return Float32Array.of(scale, mean - codedMean * scale);
}

/**
 * Learns everything that settings need: `upper` and `lower` on the channel axis, and per width
 * `codebook<bits>` and `norm<bits>`.
 */
export function calibrateKvquant(
  samples: KeptSamples,
  settings: KvquantSettings,
): Calibration {
  const layer = samples.layers[settings.layer];
  if (layer === undefined) {
    throw new QuantizerError(
      `${placeName(settings)}: the calibration samples have ${samples.layers.length} layers`,
    );
  }
  const key = settings.kind === "key";
  const tensors = !key ? layer.values : settings.preRope ? layer.preRopeKeys : layer.keys;
  const weights = key ? layer.keyWeights : layer.valueWeights;
  const matrix = calibrationMatrix(tensors, weights, settings.sinkTokens, samples.positions);
  const learned: Record<string, CalibrationArray> = {};
  const ends = (settings.axis === "channel" ? columnThresholds : rowThresholds)(
    matrix,
    settings.outliersRatio,
  );
  if (settings.axis === "channel") {
    learned.upper = Float16Array.from(ends.upper, roundToHalf);
    learned.lower = Float16Array.from(ends.lower, roundToHalf);
  }
  if (settings.quantizer === "nuq") {
    const entries = normalizedEntries(matrix, ends, settings.axis);
    if (entries.values.length === 0) {
      throw new QuantizerError(
        `${placeName(settings)}: every calibration entry is constant; no codebook can be learned`,
      );
    }
    for (const bits of new Set(settings.bits)) {
      const book = learnCodebook(entries, bits);
      learned[`codebook${bits}`] = book;
      if (settings.qNorm) learned[`norm${bits}`] = learnNorm(entries, book);
    }
  }
  return learned;
}
