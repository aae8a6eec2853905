/**
 * SQuat: keys are quantized as KIVI quantizes them, a block of channels at a time, and what the block
 * got wrong is made good in the channels that follow, as far as the queries of the prompt look at it.
 * Values are KIVI's.
 *
 * Wang et al., "SQuat: Subspace-orthogonal KV Cache Quantization", arXiv 2503.24358;
 * Red-Hat-AI-Innovation-Team/SQuat, quant/new_pack.py and models/llama_squat.py.
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
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import arithmetic from "../kivi/kivi.wgsl" with { type: "text" };
import {
  checkDivides,
  checkInteger,
  checkOnline,
  checkOptions,
  checkWidths,
  placeName,
} from "../../setting_checks.ts";
import { SquatCorrectorCpu } from "./squat_corrector_cpu.ts";
import { SquatCorrectorGpu } from "./squat_corrector_gpu.ts";
import { SquatKeyStore } from "./squat_key_store.ts";
import type { SquatCorrection, SquatSettings } from "./squat_settings.ts";

/** Group size and residual length of the README's runs. */
const DEFAULT_GROUP = 32;

/** utils/process_args.py. */
const DEFAULT_LAMBDA = 0.001;
const DEFAULT_SUBSPACE = 20;

const OPTIONS = ["subspace_dim", "lambda", "quant_group_size", "query_rope", "key_rope"];

function numberOption(answers: HookAnswers, name: string, absent: number): number {
  const value = answers.options?.[name] ?? absent;
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new QuantizerError(
      `${placeName(answers)}: option "${name}" is ${JSON.stringify(value)}; it must be a number`,
    );
  }
  return value;
}

function ropeOption(answers: HookAnswers, name: string): "after" | "before" {
  const value = answers.options?.[name] ?? "after";
  if (value !== "after" && value !== "before") {
    throw new QuantizerError(
      `${placeName(answers)}: option "${name}" is ${JSON.stringify(value)}; it must be "after" ` +
        `or "before"`,
    );
  }
  return value;
}

function correction(answers: HookAnswers, headDim: number): SquatCorrection {
  const place = placeName(answers);
  if (answers.axis !== "channel") {
    throw new QuantizerError(
      `${place}: family "squat" groups keys along the tokens of a channel; choose_axis must be ` +
        `"channel", not "${answers.axis}"`,
    );
  }
  const subspaceDim = numberOption(answers, "subspace_dim", DEFAULT_SUBSPACE);
  const lambda = numberOption(answers, "lambda", DEFAULT_LAMBDA);
  const blockChannels = numberOption(answers, "quant_group_size", Math.ceil(headDim / 2));
  checkInteger(answers, 'option "subspace_dim"', subspaceDim, 1);
  checkInteger(answers, 'option "quant_group_size"', blockChannels, 1);
  if (headDim % blockChannels !== 0) {
    throw new QuantizerError(
      `${place}: option "quant_group_size" is ${blockChannels}; it must divide the ${headDim} ` +
        `channels of a head`,
    );
  }
  if (lambda < 0) {
    throw new QuantizerError(`${place}: option "lambda" is ${lambda}; it must not be negative`);
  }
  return {
    subspaceDim,
    lambda,
    blockChannels,
    queryRope: ropeOption(answers, "query_rope"),
    keyRope: ropeOption(answers, "key_rope"),
  };
}

/**
 * The family `squat`. Keys need axis `"channel"`; values may have either, as under `kivi`.
 *
 * Family options, for keys: `subspace_dim` (20), `lambda` (0.001), `quant_group_size`, the channels of
 * a block (half a head: officially 64, for heads of 128), `query_rope` and `key_rope`, `"after"`
 * (default) or `"before"`: whether the queries that span the subspace, and the keys when they are
 * quantized, are those after RoPE or before. Officially `squat_post` has keys after, `squat_pre` before.
 */
export const squat: Family<SquatSettings> = {
  name: "squat",
  source: "arXiv 2503.24358; Red-Hat-AI-Innovation-Team/SQuat@ff91f13, quant/new_pack.py, " +
    "models/llama_squat.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["group_size", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): SquatSettings {
    checkWidths(this, answers, heads);
    checkOnline(this.name, answers);
    checkOptions(this.name, answers, OPTIONS);
    const groupSize = answers.groupSize ?? DEFAULT_GROUP;
    checkInteger(answers, "group_size", groupSize, 1);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    if (answers.axis === "token") {
      checkDivides(answers, groupSize, headDim, "channels of a head");
    }
    const stored: AffineSettings = {
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
      sinkTokens: 0,
      clipRatio: 1,
      scaleFloor: 0,
      arithmetic: "f32",
    };
    return answers.kind === "value"
      ? stored
      : { ...stored, correction: correction(answers, headDim) };
  },

  needs({ correction }) {
    if (correction === undefined) return {};
    const before = correction.queryRope === "before" || correction.keyRope === "before";
    return { queries: true, preRope: before };
  },

  quantizedRange: affineRange,

  openCpu(source, settings, tokens) {
    const { correction } = settings;
    if (correction === undefined) return new AffineStoreCpu(source, settings, tokens);
    const corrector = new SquatCorrectorCpu(source, settings, correction, tokens);
    const packed = new AffineStoreCpu(
      { ...source, tensor: corrector.corrected },
      settings,
      tokens,
    );
    return new SquatKeyStore(settings, corrector, packed);
  },

  openGpu(device, source, settings, tokens) {
    const { correction } = settings;
    const open = (from: typeof source) =>
      new AffineStoreGpu(device, from, settings, tokens, arithmetic);
    if (correction === undefined) return open(source);
    const corrector = new SquatCorrectorGpu(device, source, settings, correction, tokens);
    return new SquatKeyStore(
      settings,
      corrector,
      open({ ...source, tensor: corrector.corrected }),
    );
  },
};
