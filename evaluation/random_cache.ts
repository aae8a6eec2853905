/**
 * A cache of random numbers, with everything a family or policy may ask for beside it: to measure
 * what settings store without a model.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import type { KeptSamples, LayerSamples } from "../quant/calibration.ts";
import { keepSamples } from "../quant/sample_keeper.ts";
import { CpuBackend } from "../quant/backend_cpu.ts";
import { probit } from "../quant/numerics/probit.ts";
import { rotateHead } from "../quant/stores/rope/rope_restore.ts";
import type { CpuTensor } from "../quant/tensor.ts";
import type { Engine, ModelShape } from "../engine/engine.ts";
import type { Reference } from "../replay/reference.ts";
import { type RotaryTables, uploadRotary } from "../engine/rotary.ts";
import { randomSource } from "../quant/numerics/random.ts";

/** A model's cache without the model. */
export interface RandomCache {
  /** Shape and memory; it cannot run tokens. */
  readonly engine: Engine<CpuTensor>;
  readonly reference: Reference<CpuTensor>;
  readonly rope: RotaryTables<CpuTensor>;
  /** What families learn from the same tensors. */
  readonly samples: KeptSamples;
}

/**
 * Independent standard normal keys before RoPE, values and queries of `tokens` tokens; a seed
 * repeats them.
 */
export function randomCache(shape: ModelShape, tokens: number, seed = 0): RandomCache {
  const backend = new CpuBackend();
  const source = randomSource(seed);
  const rope = uploadRotary(backend, tokens, shape.rotary);
  const tensor = (heads: number): CpuTensor => ({
    heads,
    capacity: tokens,
    headDim: shape.headDim,
    data: Float32Array.from(
      { length: heads * tokens * shape.headDim },
      () => probit((source.below(2 ** 32) + 0.5) / 2 ** 32),
    ),
  });
  const layers = Array.from({ length: shape.layers }, () => {
    const preRopeKey = tensor(shape.kvHeads);
    return {
      preRopeKey,
      key: rotated(preRopeKey, rope),
      value: tensor(shape.kvHeads),
      query: tensor(shape.queryHeads),
    };
  });
  return {
    engine: {
      device: "cpu",
      shape,
      fingerprint: "random",
      backend,
      // deno-lint-ignore error-law/value -- no input could be right
      forward: () => Promise.reject(new InternalError("Random numbers come from no model")),
      close: () => Promise.resolve(),
    },
    reference: {
      prompt: new Array<number>(tokens + 1).fill(0),
      tokens: [],
      logits: new Float32Array(0),
      layers,
      prefillMs: 0,
      preRopeKeys: layers.map((l) => l.preRopeKey),
      queries: layers.map((l) => l.query),
    },
    rope,
    samples: keepSamples({
      rotary: shape.rotary,
      layers: layers.map((l): LayerSamples => ({
        keys: [l.key],
        preRopeKeys: [l.preRopeKey],
        values: [l.value],
        queries: [l.query],
      })),
    }),
  };
}

function rotated(keys: CpuTensor, rope: RotaryTables<CpuTensor>): CpuTensor {
  const { heads, capacity, headDim } = keys;
  const data = new Float32Array(keys.data.length);
  for (let head = 0; head < heads; head++) {
    for (let t = 0; t < capacity; t++) {
      const at = (head * capacity + t) * headDim;
      rotateHead(keys.data, at, rope, t, headDim, data, at);
    }
  }
  return { heads, capacity, headDim, data };
}
