/**
 * Noise as `transform` makes it when it spends its bits well: along its axes, equally strong along
 * each, but nowhere stronger than what there is (reverse water-filling; Cover and Thomas, "Elements
 * of Information Theory", 10.3.3).
 *
 * @module
 */
import type { KeptSamples, Noise } from "../../calibration.ts";
import { randomSource } from "../../numerics/random.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import type { CpuTensor, KvShape } from "../../tensor.ts";
import { type TransformAxes, transformAxes } from "./transform_axes.ts";

/** Share of the variance that the noise takes: about what three bits leave. */
const NOISE_SHARE = 0.01;

/** The noise, and the variance that it loses (`TransformAxes`). */
export function transformNoise(samples: KeptSamples): Noise {
  return {
    draw: (layer, kind, shape, seed) => draw(shape, transformAxes(samples, layer, kind), seed),
    lost: (layer, kind) => NOISE_SHARE * totalVariance(transformAxes(samples, layer, kind)),
  };
}

function totalVariance({ variances }: TransformAxes): number {
  const total = variances.reduce((sum, variance) => sum + variance, 0);
  return Math.max(total, Number.MIN_VALUE);
}

function draw({ heads, capacity, headDim }: KvShape, axes: TransformAxes, seed: number): CpuTensor {
  const data = new Float32Array(heads * capacity * headDim);
  const strengths = noiseStrengths(axes);
  const random = randomSource(seed);
  const n = headDim * heads / axes.blocks.length;
  const width = paddedTo4(n);
  for (const [b, { inverse }] of axes.blocks.entries()) {
    const draws = new Float32Array(capacity * width);
    const matrix = new Float32Array(width * width);
    for (let i = 0; i < n; i++) {
      const strength = strengths[b * n + i]!;
      for (let t = 0; t < capacity; t++) {
        // Evenly spread, as rounding errors are; of variance 1 before it is scaled.
        draws[t * width + i] = strength * Math.sqrt(12) * (random.below(2 ** 24) / 2 ** 24 - 0.5);
      }
      for (let c = 0; c < n; c++) matrix[c * width + i] = inverse[i * n + c]!;
    }
    const noise = new Float32Array(capacity * width);
    rowsTimesColumns(draws, capacity, matrix, width, width, noise);
    for (let c = 0; c < n; c += headDim) {
      const head = (b * n + c) / headDim;
      for (let t = 0; t < capacity; t++) {
        const from = t * width + c;
        data.set(noise.subarray(from, from + headDim), (head * capacity + t) * headDim);
      }
    }
  }
  return { heads, capacity, headDim, data };
}

/** Standard deviation of the noise along every component, in the component's own units. */
function noiseStrengths(axes: TransformAxes): number[] {
  const { variances } = axes;
  const wanted = NOISE_SHARE * totalVariance(axes);
  let [low, high] = [0, Math.max(...variances)];
  for (let round = 0; round < 60; round++) {
    const level = (low + high) / 2;
    if (variances.reduce((sum, v) => sum + Math.min(level, v), 0) < wanted) low = level;
    else high = level;
  }
  return variances.map((v) => Math.sqrt(Math.min(high, v)));
}
