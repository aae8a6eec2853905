/**
 * AQUA-KV: the keys of a layer are predicted from the keys of the layer before, its values from its own
 * keys and the values before, by matrices that were learned once; what is left over is quantized by
 * HIGGS. The first layer, of which nothing can be predicted, has 4 bits an entry. Keys are those before
 * RoPE; the first 4 tokens stay exact, and the last ones until there are 128 of them. Models whose first
 * layer has large channels, as Qwen2.5, need it in 16 bits (`--not_quantize_first_layer` there).
 *
 * Shutova et al., "Cache Me If You Must: Adaptive Key-Value Quantization for Large Language Models",
 * arXiv 2501.19392 (ICML 2025); goodevening13/aquakv@e744183, aquakv/cache_utils.py. There, vectors are
 * filled up with zeros to 1,024 channels, which are rotated together: models with fewer would store
 * several codes for every entry, so here as many are rotated as divide the channels. A cache there
 * empties its buffer after the prompt, whatever its length; here only whole buffers are quantized.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { PAIR_BITS } from "../../numerics/gaussian_pairs.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import { aquakvLearnsBy, learnAquakv } from "./aquakv_calibration.ts";
import { type AquakvOptions, aquakvRange, type AquakvSettings } from "./aquakv_settings.ts";
import { AquakvStoreCpu } from "./aquakv_store_cpu.ts";
import { AquakvStoreGpu } from "./aquakv_store_gpu.ts";

/** Channels that are rotated together at most. */
const MOST_ROTATED = 1024;

/** The family `aquakv`. */
export const aquakv: Family<AquakvSettings, "sink_tokens", AquakvOptions> = {
  name: "aquakv",
  source: "arXiv 2501.19392; goodevening13/aquakv@e744183, aquakv/cache_utils.py",
  widths: PAIR_BITS,
  hooks: { sink_tokens: { absent: 0 } },
  options: {
    first_layer_bits: {
      value: { is: "one of", names: [...PAIR_BITS, 16] },
      absent: 4,
      kept: ({ firstLayerBits }) => firstLayerBits,
      means: "bits an entry of the first layer, which is not predicted; 16: half precision",
    },
    hadamard_size: {
      value: { is: "integer", least: 4, most: MOST_ROTATED },
      absentRule: `the largest power of two up to ${MOST_ROTATED} that divides heads * headDim`,
      kept: ({ hadamardSize }) => hadamardSize,
      means: "channels that are rotated together and share a scale, a power of two",
    },
  },
  axes: { key: ["token"], value: ["token"], because: "codes whole tokens" },
  calibration: "always",

  resolve(answers, { heads, headDim }): AquakvSettings {
    checkOneWidth(this.name, answers);
    const channels = heads * headDim;
    const divisor = Math.min(MOST_ROTATED, channels & -channels);
    const hadamardSize = answers.options.hadamard_size ?? divisor;
    if (divisor < 4 || divisor % hadamardSize !== 0) {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: option "hadamard_size" is ${hadamardSize} for ${channels} channels; ` +
          `expected a power of two from 4 on that divides them`,
      );
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      heads,
      headDim,
      firstLayerBits: answers.options.first_layer_bits,
      hadamardSize,
      residualLength: answers.residualLength,
      sinkTokens: answers.sinkTokens,
      calibrated: true,
    };
  },

  couplesLayers: () => true,
  couplesKinds: () => true,
  needs: ({ kind }) => kind === "key" ? { preRope: true } : {},
  quantizedRange: aquakvRange,
  calibrate: learnAquakv,
  learnsBy: aquakvLearnsBy,
  openCpu: (source, settings, tokens) => new AquakvStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new AquakvStoreGpu(device, source, settings, tokens),
};
