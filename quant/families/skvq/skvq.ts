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
import { affineRange, topCodes, wholeGroupResidual } from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import arithmetic from "./skvq.wgsl" with { type: "text" };
import type { Family, HookAnswers, Source } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { headsPerBand } from "../../stores/affine/group_layout.ts";
import { rotateOnCpu, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import { type Rotate, RotatedStore } from "../../stores/rope/rotated_store.ts";
import {
  booleanOption,
  checkClipRatio,
  checkDivides,
  checkInteger,
  checkOptions,
  checkWidths,
  placeName,
} from "../../setting_checks.ts";
import { calibrateSkvq } from "./skvq_calibrate.ts";
import { SkvqClusterStoreCpu } from "./skvq_cluster_store_cpu.ts";
import { SkvqClusterStoreGpu } from "./skvq_cluster_store_gpu.ts";
import type { SkvqSettings } from "./skvq_settings.ts";
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

/** What needs calibration is calibrated, and nothing else is. */
function checkCalibration(answers: HookAnswers, wanted: boolean): void {
  if (wanted === (answers.calibrationMode === "offline")) return;
  throw new QuantizerError(
    wanted
      ? `${placeName(answers)}: the options "reorder" and "smoothing" are calibrated; ` +
        `calibration_mode must be "offline", not "${answers.calibrationMode}"`
      : `${
        placeName(answers)
      }: without the options "reorder" and "smoothing" there is nothing to ` +
        `calibrate; calibration_mode must be "none", not "${answers.calibrationMode}"`,
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
export const skvq: Family<SkvqSettings> = {
  name: "skvq",
  source: "arXiv 2405.06219; cat538/SKVQ@fdfc7ec, KV_process.py, KVcache_manager.py, " +
    "calibration.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["group_size", "sink_tokens", "clip_ratio", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): SkvqSettings {
    checkWidths(this, answers, heads);
    checkOptions(this.name, answers, ["fp8_params", "reorder", "smoothing", "pre_rope"]);
    const groupSize = answers.groupSize ?? DEFAULT_GROUP;
    const sinkTokens = answers.sinkTokens ?? 0;
    const clipRatio = answers.clipRatio ?? 1;
    const reorder = booleanOption(answers, "reorder", false);
    const smoothing = booleanOption(answers, "smoothing", false);
    const calibrated = reorder || smoothing;
    checkCalibration(answers, calibrated);
    checkInteger(answers, "group_size", groupSize, 1);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    checkInteger(answers, "sink_tokens", sinkTokens, 0);
    checkClipRatio(answers, clipRatio);
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
    } else if (answers.kind === "value") {
      throw new QuantizerError(
        `${placeName(answers)}: family "skvq" groups values along the channels of a token; ` +
          `choose_axis must be "token", not "channel"`,
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
      reorder,
      smoothing,
      groups: Math.ceil(heads * headDim / groupSize),
      preRope: answers.kind === "key" && booleanOption(answers, "pre_rope", false),
      ...(calibrated ? { calibrated } : {}),
    };
  },

  calibrate: calibrateSkvq,
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
