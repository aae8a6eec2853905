/**
 * What `aquakv` learns: for every layer but the first, the linear predictors of keys and of values, by
 * ridge regression. They are learned layer after layer from tensors as they will be restored, since that
 * is what they predict from (Shutova et al., arXiv 2501.19392, Algorithm 1).
 *
 * goodevening13/aquakv, train_predictors.py and aquakv/linear_utils.py: the offset is a further input
 * that is always 1, and all weights are damped by a thousandth of the mean squared input. There, tokens
 * that stay exact as sinks are learned from, too.
 *
 * @module
 */
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import type { Calibration, KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { LearnedOnce } from "../../learned_once.ts";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { secondMoment } from "../../numerics/second_moment.ts";
import { finiteHalf } from "../../packing/half.ts";
import { sampleRows } from "../../sample_rows.ts";
import { aquakvLayout, type AquakvSettings, type Predictor } from "./aquakv_settings.ts";
import { decodeHiggs, encodeHiggs } from "./higgs.ts";
import { predict } from "./predict.ts";

/** Share of the mean squared input that every weight is damped by (`percdamp`). */
const DAMPING = 1e-3;

/** How far a set of samples has been gone through under some settings. */
interface Progress {
  readonly layers: Record<KvKind, Calibration>[];
  /** Rows of the last layer as they are restored. */
  restored: Record<KvKind, Float32Array> | undefined;
}

const known = new LearnedOnce<Progress>();

/** Learns what settings ask for, and what the layers before need for it. */
export function learnAquakv(samples: KeptSamples, settings: AquakvSettings): Calibration {
  const key = JSON.stringify(aquakvLearnsBy(settings));
  const progress = known.get(samples, key, () => ({ layers: [], restored: undefined }));
  while (progress.layers.length <= settings.layer) learnNext(samples, settings, progress);
  return progress.layers[settings.layer]![settings.kind];
}

/** The settings that are looked at. */
export function aquakvLearnsBy(
  { bits, firstLayerBits, hadamardSize, sinkTokens }: AquakvSettings,
): Readonly<Record<string, unknown>> {
  return { bits, firstLayerBits, hadamardSize, sinkTokens };
}

function learnNext(samples: KeptSamples, settings: AquakvSettings, progress: Progress): void {
  const layer = progress.layers.length;
  const before = progress.restored;
  const learnKind = (kind: KvKind, inputs: readonly Float32Array[]) => {
    const { data, channels } = sampleRows(samples, layer, layer + 1, kind, settings.sinkTokens);
    const count = data.length / channels;
    const predictor = before === undefined ? undefined : fitted(inputs, data, count, channels);
    const left = predict(predictor, inputs, count, channels);
    const predicted = left.slice();
    for (const [i, x] of data.entries()) left[i] = finiteHalf(x) - left[i]!;
    const { bits, pairs, scales } = aquakvLayout({ ...settings, layer });
    const shape = { channels, bits, hadamardSize: settings.hadamardSize };
    const [codes, halves] = [new Int32Array(count * pairs), new Uint16Array(count * scales)];
    encodeHiggs(left, count, shape, codes, halves);
    decodeHiggs(codes, halves, count, shape, left);
    const restored = left.map((x, i) => finiteHalf(x + predicted[i]!));
    return { calibration: { ...predictor }, restored };
  };
  const key = learnKind("key", before === undefined ? [] : [before.key]);
  const value = learnKind("value", before === undefined ? [] : [key.restored, before.value]);
  progress.layers.push({ key: key.calibration, value: value.calibration });
  progress.restored = { key: key.restored, value: value.restored };
}

/** The predictor of `targets` that loses least of them, damped. */
function fitted(
  inputs: readonly Float32Array[],
  targets: Float64Array,
  count: number,
  channels: number,
): Predictor {
  const width = inputs.length * channels + 1;
  const rows = new Float64Array(count * width).fill(1);
  for (const [i, input] of inputs.entries()) {
    for (let t = 0; t < count; t++) {
      rows.set(input.subarray(t * channels, (t + 1) * channels), t * width + i * channels);
    }
  }
  const moment = Matrix.from1DArray(width, width, secondMoment(rows, width));
  const damping = DAMPING * moment.trace() / width;
  for (let i = 0; i < width; i++) moment.set(i, i, moment.get(i, i) + damping);
  const products = new Float64Array(width * channels);
  multiplyRows(
    columnsOf(rows, width),
    width,
    columnsOf(targets, channels),
    channels,
    count,
    products,
  );
  const means = Matrix.from1DArray(width, channels, products.map((x) => x / count));
  const solution = new CholeskyDecomposition(moment).solve(means);
  const weights = new Float16Array(channels * (width - 1));
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < width - 1; i++) {
      weights[c * (width - 1) + i] = finiteHalf(solution.get(i, c));
    }
  }
  return { weights, bias: Float32Array.from(solution.getRow(width - 1)) };
}

/** `[count][n]` as `[n][count]`. */
function columnsOf(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  const out = new Float64Array(rows.length);
  for (let r = 0, at = 0; r < count; r++) {
    for (let i = 0; i < n; i++) out[i * count + r] = rows[at++]!;
  }
  return out;
}
