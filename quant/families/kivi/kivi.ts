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
  topCodes,
  wholeGroupResidual,
} from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./kivi.wgsl" with { type: "text" };
import type { Family, HookAnswers } from "../../family.ts";
import {
  checkClipRatio,
  checkDivides,
  checkInteger,
  checkOnline,
  checkOptions,
  checkWidths,
} from "../../setting_checks.ts";

/** Group size of the published KIVI-2 and KIVI-4 (jy-yuan/KIVI, docs/long_bench.md). */
const DEFAULT_GROUP = 32;

/**
 * The family `kivi`. The official axes are `"channel"` for keys and `"token"` for values; either
 * may be swapped. On the channel axis the residual length is rounded up to a multiple of the group
 * size. Sink tokens and clipping are extensions of this project.
 */
export const kivi: Family<AffineSettings> = {
  name: "kivi",
  source: "arXiv 2402.02750; jy-yuan/KIVI@876b4d2, quant/new_pack.py, models/llama_kivi.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["group_size", "sink_tokens", "clip_ratio"],

  resolve(answers: HookAnswers, { heads, headDim }): AffineSettings {
    checkWidths(this, answers, heads);
    checkOnline(this.name, answers);
    checkOptions(this.name, answers, []);
    const groupSize = answers.groupSize ?? DEFAULT_GROUP;
    const sinkTokens = answers.sinkTokens ?? 0;
    const clipRatio = answers.clipRatio ?? 1;
    checkInteger(answers, "group_size", groupSize, 1);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    checkInteger(answers, "sink_tokens", sinkTokens, 0);
    checkClipRatio(answers, clipRatio);
    if (answers.axis === "token") {
      checkDivides(answers, groupSize, headDim, "channels of a head");
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      topCodes: topCodes(answers.bits),
      paramDtype: "f16",
      axis: answers.axis,
      groupSize,
      residualLength: answers.axis === "channel"
        ? wholeGroupResidual(answers.residualLength, groupSize)
        : answers.residualLength,
      sinkTokens,
      clipRatio,
      scaleFloor: 0,
      arithmetic: "f32",
    };
  },

  needs: () => ({}),
  quantizedRange: affineRange,
  openCpu: (source, settings, tokens) => new AffineStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new AffineStoreGpu(device, source, settings, tokens, arithmetic),
};
