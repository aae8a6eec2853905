/**
 * KVQuant: keys before RoPE with calibrated per-channel ranges, values with per-token ranges,
 * non-uniform codebooks, and outliers kept apart (dense and sparse).
 *
 * Hooper et al., "KVQuant: Towards 10 Million Context Length LLM Inference with KV Cache
 * Quantization", arXiv 2401.18079; SqueezeAILab/KVQuant, quant/kvquant/simquant_module_quantizer.py.
 *
 * @module
 */
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { calibrateKvquant } from "./kvquant_calibrate.ts";
import {
  type KvquantOptions,
  type KvquantQuantizer,
  kvquantRange,
  type KvquantSettings,
} from "./kvquant_settings.ts";
import { KvquantStoreCpu } from "./kvquant_store_cpu.ts";
import { KvquantStoreGpu } from "./kvquant_store_gpu.ts";
import { placeName } from "../../setting_checks.ts";

/** Share of outliers of the published "1%" settings. */
const DEFAULT_OUTLIERS = 0.01;

/** Positions of outliers are 16 bits wide. */
const MOST_CHANNELS = 65536;

const METHODS = { uniform: "int", normal: "nf" } as const satisfies Record<
  NonNullable<HookAnswers["quantizationMethod"]>,
  KvquantQuantizer
>;

/**
 * The family `kvquant`. The axis decides where ranges come from: `"channel"` (official for keys)
 * calibrates one per channel, `"token"` (official for values) takes each token's own.
 *
 * `quantization_method` `"uniform"` gives integer codes, `"normal"` the NormalFloat codebook, absent
 * a codebook learned by k-means. With `calibration_mode` `"none"` there are neither calibrated
 * ranges nor codebooks; ranges are then per token, and NormalFloat stands in, which is reported.
 *
 * Family options: `round_zero` (integer codes: whole zero points), `q_norm` (codebook: Q-Norm),
 * `pre_rope` (keys before RoPE, true when absent).
 */
export const kvquant: Family<KvquantSettings, "sink_tokens" | "outliers_ratio", KvquantOptions> = {
  name: "kvquant",
  source: "arXiv 2401.18079; SqueezeAILab/KVQuant@57a2383, quant/kvquant/" +
    "simquant_module_quantizer.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    sink_tokens: { absent: 0 },
    outliers_ratio: { absent: DEFAULT_OUTLIERS },
    quantization_method: {
      absentRule: "a learned codebook",
      kept: ({ quantizer }) => quantizer,
      expressed: (method) => METHODS[method],
    },
  },
  options: {
    round_zero: {
      value: { is: "boolean" },
      absent: false,
      means: "whole zero points, for evenly spaced levels",
      kept: ({ roundZero }) => roundZero,
    },
    q_norm: {
      value: { is: "boolean" },
      absent: false,
      means: "Q-Norm, for a learned codebook",
      kept: ({ qNorm }) => qNorm,
    },
    pre_rope: {
      value: { is: "boolean" },
      absent: true,
      means: "keys before RoPE",
      keysOnly: true,
      kept: ({ preRope }) => preRope,
    },
  },
  calibration: "either",

  resolve(answers, { heads, headDim }): KvquantSettings {
    const { round_zero: roundZero, q_norm: qNorm, pre_rope } = answers.options;
    if (heads * headDim > MOST_CHANNELS) {
      throw new QuantizerError(
        `${placeName(answers)}: family "kvquant" names outliers by 16-bit positions; ` +
          `${heads} heads of ${headDim} channels are more than ${MOST_CHANNELS}`,
      );
    }
    const deviations: string[] = [];
    let { axis } = answers;
    let quantizer: KvquantQuantizer = answers.quantizationMethod === undefined
      ? "nuq"
      : METHODS[answers.quantizationMethod];
    if (answers.calibrationMode === "none") {
      if (axis === "channel") {
        axis = "token";
        deviations.push("ranges are each token's own: per-channel ranges need calibration");
      }
      if (quantizer === "nuq") {
        quantizer = "nf";
        deviations.push("the codebook is NormalFloat: a learned one needs calibration");
      }
    }
    if (roundZero && quantizer !== "int") {
      throw new QuantizerError(
        `${placeName(answers)}: option "round_zero" is for quantization_method "uniform" only`,
      );
    }
    if (roundZero && answers.bits.some((bits) => bits !== answers.bits[0])) {
      throw new QuantizerError(
        `${placeName(answers)}: whole zero points need one width for all heads, not ` +
          `${answers.bits.join(", ")}`,
      );
    }
    if (qNorm && quantizer !== "nuq") {
      if (answers.quantizationMethod !== undefined) {
        throw new QuantizerError(
          `${placeName(answers)}: option "q_norm" corrects a learned codebook; it goes with no ` +
            `quantization_method`,
        );
      }
      deviations.push("there is no Q-Norm: it needs calibration");
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      axis,
      quantizer,
      outliersRatio: answers.outliersRatio,
      sinkTokens: answers.sinkTokens,
      residualLength: answers.residualLength,
      roundZero,
      qNorm: quantizer === "nuq" && qNorm,
      preRope: answers.kind === "key" && pre_rope,
      calibrated: axis === "channel" || quantizer === "nuq",
      ...(deviations.length === 0 ? {} : { deviations }),
    };
  },

  calibrate: calibrateKvquant,
  learnsBy: ({ bits, axis, quantizer, outliersRatio, sinkTokens, qNorm, preRope }) => ({
    axis,
    outliersRatio,
    preRope,
    // Sink tokens are left out of the codebook.
    ...(quantizer === "nuq" ? { widths: [...new Set(bits)].sort(), sinkTokens, qNorm } : {}),
  }),
  needs: ({ preRope }) => ({ preRope }),
  quantizedRange: kvquantRange,
  openCpu: (source, settings, tokens) => new KvquantStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new KvquantStoreGpu(device, source, settings, tokens),
};
