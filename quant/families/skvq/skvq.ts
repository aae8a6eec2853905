/**
 * SKVQ: groups of consecutive channels of one token that may span heads, the range clipped at both
 * ends, sink tokens and a sliding window kept exact; keys optionally in KIVI's channel grouping.
 *
 * Beyond that: groups of channels that calibration found alike, channels evened out by calibrated
 * factors, and keys before RoPE.
 *
 * Duanmu et al., "SKVQ: Sliding-window Key and Value Cache Quantization for Large Language Models",
 * arXiv 2405.06219; cat538/SKVQ, KV_process.py and KVcache_manager.py.
 *
 * @module
 */
import { affineRange, keptWindow, topCodes } from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./skvq.wgsl" with { type: "text" };
import { POSITIVE } from "../../answer_type.ts";
import type { Family, HookAnswers, Source } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { headsPerBand } from "../../stores/affine/group_layout.ts";
import { rotateOnCpu, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import { type Rotate, RotatedStore } from "../../stores/rope/rotated_store.ts";
import { checkDivides, placeName } from "../../setting_checks.ts";
import { calibrateSkvq } from "./skvq_calibrate.ts";
import { SkvqClusterStoreCpu } from "./skvq_cluster_store_cpu.ts";
import { SkvqClusterStoreGpu } from "./skvq_cluster_store_gpu.ts";
import type { SkvqOptions, SkvqSettings } from "./skvq_settings.ts";
import type { CpuTensor, GpuTensor } from "../../tensor.ts";

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
          `give them equal widths or choose a group_size that divides ${headDim}`,
      );
    }
  });
}

/** One width for all heads, whose channels calibration mixes. */
function checkOneWidthForAll(answers: HookAnswers): void {
  const other = answers.bits.findIndex((bits) => bits !== answers.bits[0]);
  if (other < 0) return;
  throw new QuantizerError(
    `${placeName(answers)}: the options "reorder" and "smoothing" group channels over all heads, ` +
      `which were given ${answers.bits[0]} and ${answers.bits[other]} bits; give them equal widths`,
  );
}

/**
 * The family `skvq`. Family options, all false when absent:
 * - `fp8_params` stores scales and zero points as e4m3fn, saturating at ±448 (the official code
 *   gives NaN beyond);
 * - `reorder` groups channels that calibration found alike, `group_size` many on average;
 * - `smoothing` evens channels out by calibrated factors;
 * - `pre_rope` quantizes keys before RoPE; values are as without it.
 */
export const skvq: Family<
  SkvqSettings,
  "group_size" | "sink_tokens" | "clip_ratio",
  SkvqOptions
> = {
  name: "skvq",
  source: "arXiv 2405.06219; cat538/SKVQ@fdfc7ec, KV_process.py, KVcache_manager.py, " +
    "calibration.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    group_size: { absent: DEFAULT_GROUP, value: POSITIVE },
    sink_tokens: { absent: 0 },
    clip_ratio: { absent: 1 },
  },
  options: {
    fp8_params: {
      value: { is: "boolean" },
      absent: false,
      means: "scales and zero points of 8 bits (e4m3fn)",
      kept: ({ paramDtype }) => paramDtype,
      expressed: (fp8) => fp8 ? "fp8" : "f16",
    },
    reorder: {
      value: { is: "boolean" },
      absent: false,
      means: "groups of channels that calibration found alike",
    },
    smoothing: {
      value: { is: "boolean" },
      absent: false,
      means: "channels evened out by calibrated factors",
    },
    pre_rope: {
      value: { is: "boolean" },
      absent: false,
      means: "keys before RoPE",
      keysOnly: true,
      kept: ({ preRope }) => preRope,
    },
  },
  axes: {
    key: ["channel", "token"],
    value: ["token"],
    because: "groups values along the channels of a token",
  },
  window: { expressed: keptWindow },
  calibration: ["reorder", "smoothing"],

  resolve(answers, { heads, headDim }): SkvqSettings {
    const { groupSize, sinkTokens, clipRatio } = answers;
    const { fp8_params, reorder, smoothing, pre_rope } = answers.options;
    const calibrated = reorder || smoothing;
    if (answers.axis === "token") {
      checkDivides(answers, groupSize, heads * headDim, "channels of all heads of a token");
      if (calibrated) checkOneWidthForAll(answers);
      else checkBandWidths(answers, groupSize, headDim);
    } else if (calibrated) {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: the options "reorder" and "smoothing" rearrange the channels of a ` +
          `token; choose_axis must be "token", not "channel"`,
      );
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      topCodes: topCodes(answers.bits),
      paramDtype: fp8_params ? "fp8" : "f16",
      axis: answers.axis,
      groupSize,
      residualLength: keptWindow(answers.residualLength, { axis: answers.axis, groupSize }),
      sinkTokens,
      clipRatio,
      scaleFloor: SCALE_FLOOR,
      arithmetic: "f32",
      reorder,
      smoothing,
      groups: Math.ceil(heads * headDim / groupSize),
      preRope: answers.kind === "key" && pre_rope,
      ...(calibrated ? { calibrated } : {}),
    };
  },

  calibrate: calibrateSkvq,
  learnsBy: ({ smoothing, reorder, groups, preRope }) => ({
    smoothing,
    preRope,
    ...(reorder ? { groups } : {}),
  }),
  needs: ({ preRope }) => ({ preRope }),
  quantizedRange: affineRange,
  openCpu(source, settings, tokens) {
    const open = (keys: Source<CpuTensor>) =>
      settings.reorder || settings.smoothing
        ? new SkvqClusterStoreCpu(keys, settings, tokens)
        : new AffineStoreCpu(keys, settings, tokens);
    return settings.preRope ? new RotatedStore(source, rotateOnCpu, open) : open(source);
  },
  openGpu(device, source, settings, tokens) {
    const open = (keys: Source<GpuTensor>) =>
      settings.reorder || settings.smoothing
        ? new SkvqClusterStoreGpu(device, keys, settings, tokens)
        : new AffineStoreGpu(device, keys, settings, tokens, arithmetic);
    const rotate: Rotate<GpuTensor> = (keys, range, rope) => rotateOnGpu(device, keys, range, rope);
    return settings.preRope ? new RotatedStore(source, rotate, open) : open(source);
  },
};
