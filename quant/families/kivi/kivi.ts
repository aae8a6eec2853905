/**
 * KIVI: keys in groups of consecutive tokens of one channel, values in groups of consecutive
 * channels of one token, and a window of recent tokens kept exact.
 *
 * Liu et al., "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache", arXiv 2402.02750;
 * jy-yuan/KIVI, quant/new_pack.py and models/llama_kivi.py.
 *
 * @module
 */
import {
  affineRange,
  type AffineSettings,
  affineSettings,
  keptWindow,
} from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./kivi.wgsl" with { type: "text" };
import { POSITIVE } from "../../answer_type.ts";
import type { Family } from "../../family.ts";

/** Group size of the published KIVI-2 and KIVI-4 (jy-yuan/KIVI, docs/long_bench.md). */
const DEFAULT_GROUP = 32;

/**
 * The family `kivi`. The official axes are `"channel"` for keys and `"token"` for values; either
 * may be swapped. On the channel axis the residual length is rounded up to a multiple of the group
 * size. Sink tokens and clipping are extensions of this project.
 */
export const kivi: Family<AffineSettings, "group_size" | "sink_tokens" | "clip_ratio"> = {
  name: "kivi",
  source: "arXiv 2402.02750; jy-yuan/KIVI@876b4d2, quant/new_pack.py, models/llama_kivi.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    group_size: { absent: DEFAULT_GROUP, value: POSITIVE },
    sink_tokens: { absent: 0 },
    clip_ratio: { absent: 1 },
  },
  window: { expressed: keptWindow },

  resolve(answers, { headDim }): AffineSettings {
    const { groupSize, sinkTokens, clipRatio } = answers;
    return { ...affineSettings(this.name, answers, groupSize, headDim), sinkTokens, clipRatio };
  },

  needs: () => ({}),
  quantizedRange: affineRange,
  openCpu: (source, settings, tokens) => new AffineStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new AffineStoreGpu(device, source, settings, tokens, arithmetic),
};
