/**
 * SKVQ: groups of consecutive channels of one token that may span heads, the range clipped at both
 * ends, sink tokens and a sliding window kept exact; keys optionally in KIVI's channel grouping.
 *
 * Duanmu et al., "SKVQ: Sliding-window Key and Value Cache Quantization for Large Language Models",
 * arXiv 2405.06219; cat538/SKVQ, KV_process.py and KVcache_manager.py.
 *
 * @module
 */
import {
  affineRange,
  type AffineSettings,
  topCodes,
  wholeGroupResidual,
} from "./affine_settings.ts";
import { AffineStoreCpu } from "./affine_store_cpu.ts";
import { AffineStoreGpu } from "./affine_store_gpu.ts";
import arithmetic from "./skvq.wgsl" with { type: "text" };
import { type Family, type HookAnswers, QuantizerError } from "./family.ts";
import { headsPerBand } from "./group_layout.ts";
import {
  booleanOption,
  checkClipRatio,
  checkDivides,
  checkInteger,
  checkOnline,
  checkOptions,
  checkWidths,
  placeName,
} from "./setting_checks.ts";

/** Group size of the README's long-context runs. */
const DEFAULT_GROUP = 128;

/** Smallest scale (KV_process.py). */
const SCALE_FLOOR = 1e-5;

function checkBandWidths(answers: HookAnswers, groupSize: number, headDim: number): void {
  const heads = headsPerBand(groupSize, headDim);
  answers.bits.forEach((bits, head) => {
    const first = head - head % heads;
    if (bits !== answers.bits[first]) {
      throw new QuantizerError(
        `${placeName(answers)}: groups of ${groupSize} channels join the heads ${first} to ` +
          `${first + heads - 1}, which were given ${answers.bits[first]} and ${bits} bits; ` +
          `give them equal widths or choose a group_size that divides ${headDim}.`,
      );
    }
  });
}

/**
 * The family `skvq`. Family option `fp8_params: true` stores scales and zero points as e4m3fn,
 * saturating at ±448 (the official code gives NaN beyond).
 */
export const skvq: Family<AffineSettings> = {
  name: "skvq",
  source: "arXiv 2405.06219; cat538/SKVQ@fdfc7ec, KV_process.py, KVcache_manager.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["group_size", "sink_tokens", "clip_ratio", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): AffineSettings {
    checkWidths(this, answers, heads);
    checkOnline(this.name, answers);
    checkOptions(this.name, answers, ["fp8_params"]);
    const groupSize = answers.groupSize ?? DEFAULT_GROUP;
    const sinkTokens = answers.sinkTokens ?? 0;
    const clipRatio = answers.clipRatio ?? 1;
    checkInteger(answers, "group_size", groupSize, 1);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    checkInteger(answers, "sink_tokens", sinkTokens, 0);
    checkClipRatio(answers, clipRatio);
    if (answers.axis === "token") {
      checkDivides(answers, groupSize, heads * headDim, "channels of all heads of a token");
      checkBandWidths(answers, groupSize, headDim);
    } else if (answers.kind === "value") {
      throw new QuantizerError(
        `${placeName(answers)}: family "skvq" groups values along the channels of a token; ` +
          `choose_axis must be "token", not "channel".`,
      );
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      topCodes: topCodes(answers.bits),
      paramDtype: booleanOption(answers, "fp8_params", false) ? "fp8" : "f16",
      axis: answers.axis,
      groupSize,
      residualLength: answers.axis === "channel"
        ? wholeGroupResidual(answers.residualLength, groupSize)
        : answers.residualLength,
      sinkTokens,
      clipRatio,
      scaleFloor: SCALE_FLOOR,
      arithmetic: "f32",
    };
  },

  needs: () => ({}),
  quantizedRange: affineRange,
  openCpu: (source, settings, tokens) => new AffineStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new AffineStoreGpu(device, source, settings, tokens, arithmetic),
};
