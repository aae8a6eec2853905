/** Calibration samples that look like the tensors of scenes. */
import type { KeptSamples, LayerSamples } from "../../quant/calibration.ts";
import { keepSamples } from "../../quant/sample_keeper.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { rotaryOf } from "./cache_scenes.ts";
import { kvData, type KvLook } from "./kv_data.ts";

/** Tokens of a sample. */
const SAMPLE_TOKENS = 60;

/** One sample of some layers; keys, values and queries of a layer are the same tensor. */
export function lookSamples(
  { layers, heads, headDim, look, seed }: {
    readonly layers: number;
    readonly heads: number;
    readonly headDim: number;
    readonly look: KvLook;
    readonly seed: number;
  },
): KeptSamples {
  return keepSamples({
    rotary: rotaryOf(headDim),
    layers: Array.from({ length: layers }, (_, layer): LayerSamples => {
      const sample: CpuTensor = {
        heads,
        capacity: SAMPLE_TOKENS,
        headDim,
        data: kvData(heads * SAMPLE_TOKENS, headDim, look, seed + 1000 + layer),
      };
      return { keys: [sample], preRopeKeys: [sample], values: [sample], queries: [sample] };
    }),
  });
}
