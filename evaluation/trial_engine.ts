/**
 * A model of random numbers: tensors that hang on the position alone, and predictions that hang on
 * every entry that a query sees. What can be told of a policy without a real model, in a second.
 *
 * @module
 */
import { CpuBackend } from "../quant/backend_cpu.ts";
import type { CpuTensor } from "../quant/tensor.ts";
import type {
  Engine,
  ForwardInput,
  ForwardOutput,
  LayerOutput,
  ModelShape,
} from "../engine/engine.ts";
import { plainRotary } from "../engine/rotary.ts";
import { randomCache } from "./random_cache.ts";

/** Shape of the model: small, with heads as wide as in most. */
export const TRIAL_SHAPE: ModelShape = {
  layers: 4,
  hidden: 256,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  vocab: 32,
  maxPositions: 512,
  rotary: plainRotary(64, 1e6),
};

/** How far one entry moves the logits. */
const WEIGHT = 0.02;

/** See the module. */
export class TrialEngine implements Engine<CpuTensor> {
  readonly device = "cpu";
  readonly shape = TRIAL_SHAPE;
  readonly fingerprint: string;
  readonly backend = new CpuBackend();
  readonly #layers: readonly Required<LayerOutput<CpuTensor>>[];

  /** @param seed of the random numbers */
  constructor(seed = 0) {
    this.fingerprint = `trial ${seed}`;
    const { reference } = randomCache(TRIAL_SHAPE, TRIAL_SHAPE.maxPositions, seed);
    const { layers, preRopeKeys, queries } = reference;
    this.#layers = layers.map((kv, layer) => ({
      ...kv,
      preRopeKey: preRopeKeys![layer]!,
      query: queries![layer]!,
    }));
  }

  forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const logits = foldedLogits(input, this.shape.vocab);
    const { outputs = "none", positions } = input;
    const layers = outputs === "none" ? [] : this.#layers.map((layer) => ({
      key: at(layer.key, positions),
      value: at(layer.value, positions),
      ...(outputs === "all"
        ? { preRopeKey: at(layer.preRopeKey, positions), query: at(layer.query, positions) }
        : {}),
    }));
    return Promise.resolve({ logits, layers });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Logits of the last tokens that are fed, `[logits, vocab]`: sums of the keys and values that each of
 * them sees, folded onto the vocabulary.
 */
export function foldedLogits(
  { ids, past, mask, maskLayers, logits: asked }: ForwardInput<CpuTensor>,
  vocab: number,
): Float32Array<ArrayBuffer> {
  const logits = new Float32Array(asked * vocab);
  for (let row = 0; row < asked; row++) {
    const query = ids.length - asked + row;
    for (const [layer, { key, value }] of past.entries()) {
      const width = key.capacity + ids.length;
      const seen = ((maskLayers === 1 ? 0 : layer) * ids.length + query) * width;
      for (let token = 0; token < key.capacity; token++) {
        if (mask[seen + token] !== 0) continue;
        for (let head = 0; head < key.heads; head++) {
          const from = (head * key.capacity + token) * key.headDim;
          for (let i = 0; i < key.headDim; i++) {
            const v = row * vocab + (i * 7 + head + ids[query]!) % vocab;
            logits[v]! += WEIGHT * (key.data[from + i]! + value.data[from + i]!);
          }
        }
      }
    }
  }
  return logits;
}

/** The tokens of a tensor at some positions. */
function at(
  { heads, capacity, headDim, data }: CpuTensor,
  positions: readonly number[],
): CpuTensor {
  const some = new Float32Array(heads * positions.length * headDim);
  for (let head = 0; head < heads; head++) {
    for (const [t, position] of positions.entries()) {
      const from = (head * capacity + position) * headDim;
      some.set(data.subarray(from, from + headDim), (head * positions.length + t) * headDim);
    }
  }
  return { heads, capacity: positions.length, headDim, data: some };
}
