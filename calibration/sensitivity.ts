/**
 * How much the model's predictions suffer from errors in each layer's keys and values: noise is added
 * to one of them at a time, everything else is exact, and the replies of calibration samples are
 * predicted again.
 *
 * What is compared are the log-odds of the two likeliest tokens. Their change decides whether a
 * prediction flips, and unlike the divergence it does not hang on the few tokens that the model is
 * unsure of, so a few dozen replies suffice.
 *
 * What the noise looks like, and what counts as its size, the family says that asks (`Noise`).
 *
 * @module
 */
import type { CalibrationSamples, Noise, Sensitivity } from "../quant/calibration.ts";
import { CpuBackend } from "../quant/backend_cpu.ts";
import { rotateOnCpu } from "../quant/stores/rope/rope_restore.ts";
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import type { CpuTensor, KvShape } from "../quant/tensor.ts";
import { seedFor } from "../quant/numerics/random.ts";
import { type Engine, type LayerKv, MASKED } from "../engine/engine.ts";
import { type RotaryTables, uploadRotary } from "../engine/rotary.ts";

/** Passes through the model in all, as far as that leaves `LEAST_SAMPLES`. */
const MOST_PASSES = 192;
const LEAST_SAMPLES = 3;

/** A calibration sample in tokens. */
export interface SampleTokens {
  /** The rendered prompt and the reply. */
  readonly ids: readonly number[];
  /** Tokens of the reply, at the end of `ids`. */
  readonly reply: number;
}

/** A sample, and what is predicted at its end without noise. */
interface Prediction {
  /** Its place among the calibration samples. */
  readonly index: number;
  readonly ids: readonly number[];
  /** Tokens in memory; those behind them are fed. */
  readonly known: number;
  readonly logits: Float32Array;
  /** Rotary tables that cover the tokens in memory. */
  readonly rope: RotaryTables<CpuTensor>;
}

/**
 * Measures every layer's keys and values.
 *
 * @param tokens of every sample
 * @param samples the tensors of the same samples
 * @param noise what is added
 * @returns one entry per layer
 */
export async function measureSensitivity<T extends KvShape>(
  engine: Engine<T>,
  tokens: readonly SampleTokens[],
  samples: CalibrationSamples,
  noise: Noise,
  signal?: AbortSignal,
): Promise<Sensitivity[]> {
  const cells = samples.layers.flatMap((_, layer) => KV_KINDS.map((kind) => ({ layer, kind })));
  const changes = cells.map(() => 0);
  let predicted = 0;
  const most = Math.max(LEAST_SAMPLES, MOST_PASSES / cells.length);
  const longest = Math.max(...tokens.map(({ ids }) => ids.length));
  const rope = uploadRotary(new CpuBackend(), longest, samples.rotary);
  for (const index of evenChoice(tokens.length, most)) {
    const { ids, reply } = tokens[index]!;
    // The last token of the prompt predicts the reply's first.
    const known = ids.length - reply - 1;
    if (known < 1) continue;
    const memory = uploadMemory(engine, samples, index, known);
    const logits = await predict(engine, ids, known, memory);
    const exact: Prediction = { index, ids, known, logits, rope };
    for (const [i, { layer, kind }] of cells.entries()) {
      signal?.throwIfAborted();
      changes[i]! += await squaredChanges(engine, exact, memory, samples, noise, layer, kind);
    }
    predicted += reply + 1;
    freeMemory(engine, memory);
  }
  const sensitivity = cells.map(({ layer, kind }, i) => {
    const lost = noise.lost(layer, kind);
    // Where nothing varies there is no noise, and nothing to be sensitive to.
    return lost > 0 ? changes[i]! / Math.max(1, predicted) / lost : 0;
  });
  return samples.layers.map((_, l) => ({
    key: sensitivity[2 * l]!,
    value: sensitivity[2 * l + 1]!,
  }));
}

/** Up to `most` of `count` places, evenly spread. */
function evenChoice(count: number, most: number): number[] {
  const chosen = Math.min(count, Math.floor(most));
  return Array.from({ length: chosen }, (_, i) => Math.floor((i + 0.5) * count / chosen));
}

/** Sum over the predicted tokens of what noise in one tensor does to the squared log-odds. */
async function squaredChanges<T extends KvShape>(
  engine: Engine<T>,
  exact: Prediction,
  memory: readonly LayerKv<T>[],
  samples: CalibrationSamples,
  noise: Noise,
  layer: number,
  kind: KvKind,
): Promise<number> {
  const { backend, shape } = engine;
  const { index, ids, known, rope } = exact;
  const tensor = firstTokens(tensorOf(samples, layer, kind, index), known);
  const seed = seedFor(0, `${index} ${layer} ${kind}`);
  const drawn = noise.draw(layer, kind, tensor, seed);
  if (kind === "key") rotateOnCpu(drawn, { from: 0, to: known }, rope);
  for (let i = 0; i < tensor.data.length; i++) tensor.data[i]! += drawn.data[i]!;
  const noisy = backend.upload(tensor.data, tensor);
  const logits = await predict(
    engine,
    ids,
    known,
    memory.with(layer, { ...memory[layer]!, [kind]: noisy }),
  );
  backend.free(noisy);
  let sum = 0;
  for (let at = 0; at < logits.length; at += shape.vocab) {
    const row = exact.logits.subarray(at, at + shape.vocab);
    const [first, second] = twoLikeliest(row);
    const odds = logits[at + first]! - logits[at + second]!;
    sum += (odds - (row[first]! - row[second]!)) ** 2;
  }
  return sum;
}

/** Indices of the two largest logits; the first wins a tie. */
function twoLikeliest(row: Float32Array): [number, number] {
  let [first, second] = row[1]! > row[0]! ? [1, 0] : [0, 1];
  for (let i = 2; i < row.length; i++) {
    if (row[i]! > row[first]!) [first, second] = [i, first];
    else if (row[i]! > row[second]!) second = i;
  }
  return [first, second];
}

/** Logits at the tokens behind the memory, which see each other exactly. */
async function predict<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly number[],
  known: number,
  past: readonly LayerKv<T>[],
): Promise<Float32Array> {
  const count = ids.length - known;
  const mask = new Float32Array(count * ids.length);
  for (let row = 0; row < count; row++) {
    mask.fill(MASKED, row * ids.length + known + row + 1, (row + 1) * ids.length);
  }
  const { logits } = await engine.forward({
    ids: ids.slice(known),
    positions: Array.from({ length: count }, (_, i) => known + i),
    past,
    mask,
    maskLayers: 1,
    logits: count,
  });
  return logits;
}

function tensorOf(
  { layers }: CalibrationSamples,
  layer: number,
  kind: KvKind,
  index: number,
): CpuTensor {
  return (kind === "key" ? layers[layer]!.keys : layers[layer]!.values)[index]!;
}

/** A copy of the first tokens of a tensor. */
function firstTokens({ heads, capacity, headDim, data }: CpuTensor, tokens: number): CpuTensor {
  const size = tokens * headDim;
  const copy = new Float32Array(heads * size);
  for (let head = 0; head < heads; head++) {
    const from = head * capacity * headDim;
    copy.set(data.subarray(from, from + size), head * size);
  }
  return { heads, capacity: tokens, headDim, data: copy };
}

function uploadMemory<T extends KvShape>(
  { backend }: Engine<T>,
  samples: CalibrationSamples,
  index: number,
  known: number,
): LayerKv<T>[] {
  return samples.layers.map((_, layer) => {
    const [key, value] = KV_KINDS.map((kind) => {
      const tensor = firstTokens(tensorOf(samples, layer, kind, index), known);
      return backend.upload(tensor.data, tensor);
    });
    return { key: key!, value: value! };
  });
}

function freeMemory<T extends KvShape>(
  { backend }: Engine<T>,
  memory: readonly LayerKv<T>[],
): void {
  for (const { key, value } of memory) {
    backend.free(key);
    backend.free(value);
  }
}
