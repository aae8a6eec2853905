/**
 * Uniform quantization: every token on its own, groups of consecutive channels inside one head,
 * codes between the smallest and the largest entry of the group.
 *
 * The arithmetic of jy-yuan/KIVI's value path (quant/new_pack.py, quant_and_pack_vcache), for keys
 * and values alike.
 *
 * @module
 */
import { affineRange, type AffineSettings, topCodes } from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./uniform.wgsl" with { type: "text" };
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import {
  checkDivides,
  checkInteger,
  checkOnline,
  checkOptions,
  checkWidths,
  placeName,
} from "../../setting_checks.ts";

/** Largest group that `uniform` chooses by itself. */
const LARGEST_DEFAULT_GROUP = 64;

/**
 * Group size when the policy gives none: 64, or for a `headDim` that 64 does not divide the largest
 * divisor of `headDim` below 64 (40 for 80, 48 for 96).
 */
export function defaultUniformGroup(headDim: number): number {
  let groupSize = Math.min(LARGEST_DEFAULT_GROUP, headDim);
  while (headDim % groupSize !== 0) groupSize--;
  return groupSize;
}

/** The family `uniform`. */
export const uniform: Family<AffineSettings> = {
  name: "uniform",
  source: "jy-yuan/KIVI@876b4d2, quant/new_pack.py (quant_and_pack_vcache)",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["group_size", "sink_tokens"],

  resolve(answers: HookAnswers, { heads, headDim }): AffineSettings {
    checkWidths(this, answers, heads);
    checkOnline(this.name, answers);
    checkOptions(this.name, answers, []);
    if (answers.axis !== "token") {
      throw new QuantizerError(
        `${placeName(answers)}: family "uniform" groups the channels of one token; ` +
          `choose_axis must be "token", not "${answers.axis}"`,
      );
    }
    const groupSize = answers.groupSize ?? defaultUniformGroup(headDim);
    const sinkTokens = answers.sinkTokens ?? 0;
    checkInteger(answers, "group_size", groupSize, 1);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    checkInteger(answers, "sink_tokens", sinkTokens, 0);
    checkDivides(answers, groupSize, headDim, "channels of a head");
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      topCodes: topCodes(answers.bits),
      paramDtype: "f16",
      axis: "token",
      groupSize,
      residualLength: answers.residualLength,
      sinkTokens,
      clipRatio: 1,
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
