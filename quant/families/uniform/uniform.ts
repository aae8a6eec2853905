/**
 * Uniform quantization: every token on its own, groups of consecutive channels inside one head,
 * codes between the smallest and the largest entry of the group.
 *
 * The arithmetic of jy-yuan/KIVI's value path (quant/new_pack.py, quant_and_pack_vcache), for keys
 * and values alike.
 *
 * @module
 */
import {
  affineRange,
  type AffineSettings,
  affineSettings,
} from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./uniform.wgsl" with { type: "text" };
import { POSITIVE } from "../../answer_type.ts";
import type { Family } from "../../family.ts";

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
export const uniform: Family<AffineSettings, "sink_tokens"> = {
  name: "uniform",
  source: "jy-yuan/KIVI@876b4d2, quant/new_pack.py (quant_and_pack_vcache)",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    group_size: { absentRule: `${LARGEST_DEFAULT_GROUP}`, value: POSITIVE },
    sink_tokens: { absent: 0 },
  },
  axes: { key: ["token"], value: ["token"], because: "groups the channels of one token" },

  resolve(answers, { headDim }): AffineSettings {
    const { groupSize = defaultUniformGroup(headDim), sinkTokens } = answers;
    return { ...affineSettings(this.name, answers, groupSize, headDim), sinkTokens };
  },

  needs: () => ({}),
  quantizedRange: affineRange,
  openCpu: (source, settings, tokens) => new AffineStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new AffineStoreGpu(device, source, settings, tokens, arithmetic),
};
