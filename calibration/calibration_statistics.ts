/**
 * The statistics that a policy's `calibrate` is given, from the tensors of the calibration set.
 *
 * @module
 */
import {
  CALIBRATION_PERCENTILES,
  type CalibrationStatistics,
  type HeadStatistics,
  type LayerStatistics,
  type QueryStatistics,
} from "../policies/calibration_statistics.ts";
import type { CalibrationSamples, MeasureSensitivity } from "../quant/calibration.ts";
import { secondMoment } from "../quant/numerics/multiply_rows.ts";
import { percentile } from "../quant/numerics/percentile.ts";
import type { RotaryPositions } from "../quant/rotary_positions.ts";
import type { CpuTensor } from "../quant/tensor.ts";
import type { Families, FamilyStatistics } from "../quant/registry.ts";
import { rotaryTables } from "../engine/rotary.ts";

/**
 * Statistics of every layer, kind and head, and what the families publish.
 *
 * @param sensitivity for families that ask how much predictions suffer from noise
 */
export async function calibrationStatistics(
  samples: CalibrationSamples,
  families: Families,
  sensitivity: MeasureSensitivity,
): Promise<CalibrationStatistics> {
  const first = samples.layers[0]!.values;
  return {
    samples: first.length,
    tokens: first.reduce((sum, { capacity }) => sum + capacity, 0),
    families: await familyStatistics(samples, families, sensitivity),
    layers: samples.layers.map((layer): LayerStatistics => {
      const kvHeads = layer.values[0]!.heads;
      const perHead = <S>(compute: (head: number) => S) =>
        Array.from({ length: kvHeads }, (_, h) => compute(h));
      const unrotated = layer.queries.map((query) => rotatedBack(query, samples.rotary));
      return {
        key: perHead((head) => headStatistics(layer.keys, head)),
        key_pre_rope: perHead((head) => headStatistics(layer.preRopeKeys, head)),
        value: perHead((head) => headStatistics(layer.values, head)),
        query: perHead((head) => queryStatistics(layer.queries, head, kvHeads)),
        query_pre_rope: perHead((head) => queryStatistics(unrotated, head, kvHeads)),
      };
    }),
  };
}

async function familyStatistics(
  samples: CalibrationSamples,
  families: Families,
  sensitivity: MeasureSensitivity,
): Promise<FamilyStatistics> {
  const published: Record<string, unknown> = {};
  for (const name of families.names) {
    const family = families.of(name);
    if (family.statistics === undefined) continue;
    published[name] = await family.statistics(samples, sensitivity);
  }
  // What each built-in family publishes is a matter between it and the registry.
  return published as unknown as FamilyStatistics;
}

/** Tokens that statistics are taken from, at most; neighbours say much the same. */
const MOST_TOKENS = 4096;

/** Keeps every so many-th token, so that no more than `MOST_TOKENS` of all tensors are left. */
function thinned(all: readonly CpuTensor[]): (tensor: CpuTensor) => CpuTensor {
  const tokens = all.reduce((sum, { capacity }) => sum + capacity, 0);
  const stride = Math.ceil(tokens / MOST_TOKENS);
  return (tensor) => {
    if (stride === 1) return tensor;
    const { heads, headDim } = tensor;
    const capacity = Math.ceil(tensor.capacity / stride);
    const data = new Float32Array(heads * capacity * headDim);
    for (let head = 0; head < heads; head++) {
      for (let t = 0; t < capacity; t++) {
        const from = (head * tensor.capacity + t * stride) * headDim;
        data.set(tensor.data.subarray(from, from + headDim), (head * capacity + t) * headDim);
      }
    }
    return { heads, capacity, headDim, data };
  };
}

/** Rows `[tokens, headDim]` of one head of each sample. */
function* rowsOf(tensors: readonly CpuTensor[], head: number): Generator<Float32Array> {
  for (const { data, capacity, headDim } of tensors) {
    yield data.subarray(head * capacity * headDim, (head + 1) * capacity * headDim);
  }
}

function headStatistics(all: readonly CpuTensor[], head: number): HeadStatistics {
  const { headDim } = all[0]!;
  const tensors = all.map(thinned(all));
  const tokens = tensors.reduce((sum, { capacity }) => sum + capacity, 0);
  const min: number[] = [], max: number[] = [];
  const percentiles: number[][] = CALIBRATION_PERCENTILES.map(() => []);
  const column = new Float32Array(tokens);
  for (let channel = 0; channel < headDim; channel++) {
    let at = 0;
    for (const rows of rowsOf(tensors, head)) {
      for (let i = channel; i < rows.length; i += headDim) column[at++] = rows[i]!;
    }
    column.sort();
    min.push(column[0]!);
    max.push(column[tokens - 1]!);
    CALIBRATION_PERCENTILES.forEach((p, i) => percentiles[i]!.push(percentile(column, p)));
  }
  const { mean, moment } = moments(tensors, [head]);
  const covariance = moment.map((row, i) => row.map((m, j) => m - mean[i]! * mean[j]!));
  return {
    tokens,
    min,
    max,
    mean,
    std: covariance.map((row, i) => Math.sqrt(Math.max(0, row[i]!))),
    percentiles,
    covariance,
  };
}

function queryStatistics(
  queries: readonly CpuTensor[],
  kvHead: number,
  kvHeads: number,
): QueryStatistics {
  const few = queries.map(thinned(queries));
  const group = queries[0]!.heads / kvHeads;
  const heads = Array.from({ length: group }, (_, g) => kvHead * group + g);
  const tokens = few.reduce((sum, { capacity }) => sum + capacity, 0);
  return { queries: tokens * group, second_moment: moments(few, heads).moment };
}

/** Mean of `x` and of `x x^T` over all tokens of the given heads. */
function moments(
  tensors: readonly CpuTensor[],
  heads: readonly number[],
): { mean: number[]; moment: number[][] } {
  const { headDim } = tensors[0]!;
  const tokens = tensors.reduce((sum, { capacity }) => sum + capacity, 0);
  const rows = new Float64Array(heads.length * tokens * headDim);
  let at = 0;
  for (const head of heads) {
    for (const part of rowsOf(tensors, head)) {
      rows.set(part, at);
      at += part.length;
    }
  }
  const sum = new Float64Array(headDim);
  for (let base = 0; base < rows.length; base += headDim) {
    for (let i = 0; i < headDim; i++) sum[i] = sum[i]! + rows[base + i]!;
  }
  const products = secondMoment(rows, headDim);
  const moment = Array.from(
    { length: headDim },
    (_, i) => Array.from(products.subarray(i * headDim, (i + 1) * headDim)),
  );
  return { mean: Array.from(sum, (s) => s * headDim / rows.length), moment };
}

/** Queries before RoPE: every row turned back by the angle of its position, and without the scale. */
function rotatedBack(query: CpuTensor, rotary: RotaryPositions): CpuTensor {
  const { heads, capacity, headDim } = query;
  const half = headDim / 2;
  const { cos, sin } = rotaryTables(capacity, { ...rotary, scale: 1 / rotary.scale });
  const data = new Float32Array(query.data.length);
  for (let row = 0; row < heads * capacity; row++) {
    const base = row * headDim;
    const angles = (row % capacity) * half;
    for (let i = 0; i < half; i++) {
      const [a, b] = [query.data[base + i]!, query.data[base + half + i]!];
      const [c, s] = [cos[angles + i]!, sin[angles + i]!];
      data[base + i] = a * c + b * s;
      data[base + half + i] = b * c - a * s;
    }
  }
  return { heads, capacity, headDim, data };
}
