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
import { affineRange, affineSettings, keptWindow } from "../../stores/affine/affine_settings.ts";
import { AffineStoreCpu } from "../../stores/affine/affine_store_cpu.ts";
import { AffineStoreGpu } from "../../stores/affine/affine_store_gpu.ts";
import { POSITIVE } from "../../answer_type.ts";
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import arithmetic from "../kivi/kivi.wgsl" with { type: "text" };
import { placeName } from "../../setting_checks.ts";
import { SquatCorrectorCpu } from "./squat_corrector_cpu.ts";
import { SquatCorrectorGpu } from "./squat_corrector_gpu.ts";
import { SquatKeyStore } from "./squat_key_store.ts";
import type { SquatCorrection, SquatOptions, SquatSettings } from "./squat_settings.ts";

/** Group size and residual length of the README's runs. */
const DEFAULT_GROUP = 32;

/** utils/process_args.py. */
const DEFAULT_LAMBDA = 0.001;
const DEFAULT_SUBSPACE = 20;

function correction(
  answers: HookAnswers,
  options: SquatOptions,
  headDim: number,
): SquatCorrection {
  const { subspace_dim, lambda, query_rope, key_rope } = options;
  const { quant_group_size: blockChannels = Math.ceil(headDim / 2) } = options;
  if (headDim % blockChannels !== 0) {
    throw new QuantizerError(
      `${placeName(answers)}: option "quant_group_size" is ${blockChannels}; it must divide the ` +
        `${headDim} channels of a head`,
    );
  }
  return {
    subspaceDim: subspace_dim,
    lambda,
    blockChannels,
    queryRope: query_rope,
    keyRope: key_rope,
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
export const squat: Family<SquatSettings, "group_size", SquatOptions> = {
  name: "squat",
  source: "arXiv 2503.24358; Red-Hat-AI-Innovation-Team/SQuat@ff91f13, quant/new_pack.py, " +
    "models/llama_squat.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: { group_size: { absent: DEFAULT_GROUP, value: POSITIVE } },
  options: {
    subspace_dim: {
      value: POSITIVE,
      absent: DEFAULT_SUBSPACE,
      means: "dimensions of the queries' subspace",
      keysOnly: true,
      kept: ({ correction }) => correction?.subspaceDim,
    },
    lambda: {
      value: { is: "number", least: 0 },
      absent: DEFAULT_LAMBDA,
      means: "weight of errors inside the subspace",
      keysOnly: true,
      kept: ({ correction }) => correction?.lambda,
    },
    quant_group_size: {
      value: POSITIVE,
      absentRule: "half a head",
      means: "channels that are quantized together before the rest is corrected",
      keysOnly: true,
      kept: ({ correction }) => correction?.blockChannels,
    },
    query_rope: {
      value: { is: "one of", names: ["after", "before"] },
      absent: "after",
      means: "queries after RoPE, or before",
      keysOnly: true,
      kept: ({ correction }) => correction?.queryRope,
    },
    key_rope: {
      value: { is: "one of", names: ["after", "before"] },
      absent: "after",
      means: "keys quantized after RoPE, or before",
      keysOnly: true,
      kept: ({ correction }) => correction?.keyRope,
    },
  },
  axes: {
    key: ["channel"],
    value: ["channel", "token"],
    because: "groups keys along the tokens of a channel",
  },
  window: { expressed: keptWindow },

  resolve(answers, { headDim }): SquatSettings {
    const stored = affineSettings(this.name, answers, answers.groupSize, headDim);
    return answers.kind === "value"
      ? stored
      : { ...stored, correction: correction(answers, answers.options, headDim) };
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
