/**
 * How much the model's predictions suffer from errors in each layer's keys and values: noise is added
 * to one of them at a time, everything else is exact, and the first tokens of a sample's reply are
 * predicted.
 *
 * What is compared are the log-odds of the two likeliest tokens. Their change decides whether a
 * prediction flips, and unlike the divergence it does not hang on the few tokens that the model is
 * unsure of, so a few dozen predictions suffice.
 *
 * All layers are measured in one pass a kind: the memory is there twice, exact and with noise, and
 * each layer has rows of its own, which see the noise there and the exact memory elsewhere.
 *
 * What the noise looks like, and what counts as its size, the family says that asks (`Noise`).
 *
 * @module
 */
import type { Noise, Sensitivity } from "../quant/calibration.ts";
import { rotateOnCpu } from "../quant/stores/rope/rope_restore.ts";
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import type { CpuTensor, KvShape } from "../quant/tensor.ts";
import { seedFor } from "../quant/numerics/random.ts";
import { type Engine, type LayerKv, MASKED } from "../engine/engine.ts";
import type { RotaryTables } from "../engine/rotary.ts";

/** Numbers in a mask or in the logits of one pass, at most. */
const MOST_NUMBERS = 2 ** 24;

/** A calibration sample in tokens. */
export interface SampleTokens {
  /** The rendered prompt and the reply. */
  readonly ids: readonly number[];
  /** Tokens of the reply, at the end of `ids`. */
  readonly reply: number;
}

/** A sample that went through the model. */
export interface SampleMemory<T extends KvShape> extends SampleTokens {
  /** Its place in the calibration set. */
  readonly index: number;
  /** Keys and values of its tokens, by layer. */
  readonly layers: readonly LayerKv<T>[];
}

/** Adds up what noise does, sample after sample. */
export class SensitivityMeter<T extends KvShape> {
  /** By layer and kind. */
  readonly #changes: Record<KvKind, number>[];
  #predicted = 0;

  /**
   * @param noise what is added
   * @param rope rotary tables that cover every sample
   * @param predictions tokens of a sample that are predicted at most
   */
  constructor(
    private readonly engine: Engine<T>,
    private readonly noise: Noise,
    private readonly rope: RotaryTables<CpuTensor>,
    private readonly predictions: number,
  ) {
    this.#changes = Array.from({ length: engine.shape.layers }, () => ({ key: 0, value: 0 }));
  }

  /** Measures every layer's keys and values on one more sample; its tensors stay as they are. */
  async add(memory: SampleMemory<T>, signal?: AbortSignal): Promise<void> {
    const { ids, reply } = memory;
    // The last token of the prompt predicts the reply's first.
    const known = ids.length - reply - 1;
    if (known < 1) return;
    const fed = ids.slice(known, known + Math.min(reply + 1, this.predictions));
    let exact: Float32Array | undefined;
    for (const kind of KV_KINDS) {
      const past = await this.#pastWithNoise(memory, kind, known);
      try {
        for (const variants of this.#batches(known, fed.length)) {
          signal?.throwIfAborted();
          // The exact predictions are a variant that sees no noise.
          const asked = exact === undefined ? [undefined, ...variants] : variants;
          const logits = await this.#predict(past, known, fed, asked);
          const size = fed.length * this.engine.shape.vocab;
          exact ??= logits.slice(0, size);
          const first = asked.length - variants.length;
          for (const [v, layer] of variants.entries()) {
            const own = logits.subarray((first + v) * size, (first + v + 1) * size);
            this.#changes[layer]![kind] += squaredChanges(exact, own, this.engine.shape.vocab);
          }
        }
      } finally {
        for (const { key, value } of past) {
          this.engine.backend.free(key);
          this.engine.backend.free(value);
        }
      }
    }
    this.#predicted += fed.length;
  }

  /** Sensitivities so far, one entry per layer. */
  result(): Sensitivity[] {
    return this.#changes.map((changes, layer) => {
      const told = (kind: KvKind) => {
        const lost = this.noise.lost(layer, kind);
        // Where nothing varies there is no noise, and nothing to be sensitive to.
        return lost > 0 ? changes[kind] / Math.max(1, this.#predicted) / lost : 0;
      };
      return { key: told("key"), value: told("value") };
    });
  }

  /** Layers, as many at a time as mask and logits have room for. */
  *#batches(known: number, fed: number): Generator<number[]> {
    const { layers, vocab } = this.engine.shape;
    // A row of the mask is at most as long as if all were fed at once.
    const perVariant = fed * Math.max(layers * (2 * known + (layers + 1) * fed), vocab);
    const most = Math.max(1, Math.floor(MOST_NUMBERS / perVariant) - 1);
    for (let from = 0; from < layers; from += most) {
      const count = Math.min(most, layers - from);
      yield Array.from({ length: count }, (_, i) => from + i);
    }
  }

  /** The memory of `known` tokens twice, one behind the other: exact, and with noise in one kind. */
  async #pastWithNoise(
    { index, layers }: SampleMemory<T>,
    noisy: KvKind,
    known: number,
  ): Promise<LayerKv<T>[]> {
    const { backend } = this.engine;
    const past: LayerKv<T>[] = [];
    for (const [layer, exact] of layers.entries()) {
      const twice = (tensor: T): T => {
        const { heads, headDim } = tensor;
        const both = backend.alloc({ heads, capacity: 2 * known, headDim });
        for (const at of [0, known]) backend.copy(tensor, 0, known, both, at);
        return both;
      };
      const own = { key: twice(exact.key), value: twice(exact.value) };
      past.push(own);
      const tensor = firstTokens(exact[noisy], await backend.read(exact[noisy]), known);
      const seed = seedFor(0, `${index} ${layer} ${noisy}`);
      const drawn = this.noise.draw(layer, noisy, tensor, seed);
      if (noisy === "key") rotateOnCpu(drawn, { from: 0, to: known }, this.rope);
      for (let i = 0; i < tensor.data.length; i++) tensor.data[i]! += drawn.data[i]!;
      const uploaded = backend.upload(tensor.data, tensor);
      backend.copy(uploaded, 0, known, own[noisy], known);
      backend.free(uploaded);
    }
    return past;
  }

  /**
   * Logits at the fed tokens, `[variant][token][vocab]`: each variant sees the noise in its layer
   * alone, and of the fed tokens its own.
   */
  async #predict(
    past: readonly LayerKv<T>[],
    known: number,
    fed: readonly number[],
    variants: readonly (number | undefined)[],
  ): Promise<Float32Array> {
    const { layers } = this.engine.shape;
    const rows = variants.length * fed.length;
    const columns = 2 * known + rows;
    const mask = new Float32Array(layers * rows * columns);
    for (let layer = 0; layer < layers; layer++) {
      for (const [v, noisy] of variants.entries()) {
        const unseen = noisy === layer ? 0 : known;
        const own = 2 * known + v * fed.length;
        for (let t = 0; t < fed.length; t++) {
          const base = (layer * rows + v * fed.length + t) * columns;
          mask.fill(MASKED, base + unseen, base + unseen + known);
          mask.fill(MASKED, base + 2 * known, base + own);
          mask.fill(MASKED, base + own + t + 1, base + columns);
        }
      }
    }
    const { logits } = await this.engine.forward({
      ids: variants.flatMap(() => fed),
      positions: variants.flatMap(() => fed.map((_, t) => known + t)),
      past,
      mask,
      maskLayers: layers,
      logits: rows,
    });
    return logits;
  }
}

/** Sum over tokens of the squared change of the log-odds between the two likeliest. */
function squaredChanges(exact: Float32Array, noisy: Float32Array, vocab: number): number {
  let sum = 0;
  for (let at = 0; at < exact.length; at += vocab) {
    const row = exact.subarray(at, at + vocab);
    const [first, second] = twoLikeliest(row);
    const odds = noisy[at + first]! - noisy[at + second]!;
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

/** A copy of the first tokens of a tensor. */
function firstTokens(
  { heads, capacity, headDim }: KvShape,
  data: Float32Array,
  tokens: number,
): CpuTensor {
  const size = tokens * headDim;
  const copy = new Float32Array(heads * size);
  for (let head = 0; head < heads; head++) {
    const from = head * capacity * headDim;
    copy.set(data.subarray(from, from + size), head * size);
  }
  return { heads, capacity: tokens, headDim, data: copy };
}
