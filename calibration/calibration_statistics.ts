/**
 * The statistics that a policy's `calibrate` is given, from what was kept of the calibration set.
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
import type { KeptSamples, Sensitivity } from "../quant/calibration.ts";
import { secondMoment } from "../quant/numerics/second_moment.ts";
import { percentile } from "../quant/numerics/percentile.ts";
import type { CpuTensor } from "../quant/tensor.ts";
import type { Families, FamilyStatistics } from "../quant/registry.ts";

/**
 * Statistics of every layer, kind and head, and what the families publish.
 *
 * @param sensitivity by family: how much predictions suffer from its noise
 */
export async function calibrationStatistics(
  samples: KeptSamples,
  families: Families,
  sensitivity: ReadonlyMap<string, readonly Sensitivity[]>,
): Promise<CalibrationStatistics> {
  return {
    samples: samples.samples,
    tokens: samples.tokens,
    families: await familyStatistics(samples, families, sensitivity),
    layers: samples.layers.map(({ keys, preRopeKeys, values, queries }): LayerStatistics => {
      const perHead = (tensors: readonly CpuTensor[]) =>
        Array.from({ length: values[0]!.heads }, (_, head) => headStatistics(tensors, head));
      const moments = (name: "moment" | "preRopeMoment") =>
        queries.map((own): QueryStatistics => {
          const n = Math.sqrt(own[name].length);
          return { queries: own.queries, second_moment: rowsOfMatrix(own[name], n) };
        });
      return {
        key: perHead(keys),
        key_pre_rope: perHead(preRopeKeys),
        value: perHead(values),
        query: moments("moment"),
        query_pre_rope: moments("preRopeMoment"),
      };
    }),
  };
}

async function familyStatistics(
  samples: KeptSamples,
  families: Families,
  sensitivity: ReadonlyMap<string, readonly Sensitivity[]>,
): Promise<FamilyStatistics> {
  const published: Record<string, unknown> = {};
  for (const name of families.names) {
    const family = families.of(name);
    if (family.statistics === undefined) continue;
    published[name] = await family.statistics(samples, sensitivity.get(name) ?? []);
  }
  // What each built-in family publishes is a matter between it and the registry.
  return published as unknown as FamilyStatistics;
}

/** Tokens that statistics are taken from, at most; neighbours say much the same. */
const MOST_TOKENS = 2048;

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
  const { mean, moment } = moments(tensors, head);
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

/** Mean of `x` and of `x x^T` over all tokens of a head. */
function moments(
  tensors: readonly CpuTensor[],
  head: number,
): { mean: number[]; moment: number[][] } {
  const { headDim } = tensors[0]!;
  const tokens = tensors.reduce((sum, { capacity }) => sum + capacity, 0);
  const rows = new Float64Array(tokens * headDim);
  let at = 0;
  for (const part of rowsOf(tensors, head)) {
    rows.set(part, at);
    at += part.length;
  }
  const sum = new Float64Array(headDim);
  for (let base = 0; base < rows.length; base += headDim) {
    for (let i = 0; i < headDim; i++) sum[i] = sum[i]! + rows[base + i]!;
  }
  return {
    mean: Array.from(sum, (s) => s * headDim / rows.length),
    moment: rowsOfMatrix(secondMoment(rows, headDim), headDim),
  };
}

function rowsOfMatrix(matrix: Float64Array, n: number): number[][] {
  return Array.from({ length: n }, (_, i) => Array.from(matrix.subarray(i * n, (i + 1) * n)));
}
