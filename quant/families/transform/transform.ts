/**
 * Transform coding: vectors are turned into principal components that were learned offline, each
 * component is counted in whole steps of its own size, and the counts are entropy coded. Keys are
 * coded before RoPE, where they are far more alike, and rotated when they are restored.
 *
 * All KV heads of a token are transformed together, as far as `MOST_CHANNELS` allows, because heads
 * of one layer share much of what they hold. An error in a key is weighed by what the queries make of
 * it, so directions that queries never look into cost few bits. Steps are even and reach as far as
 * the alphabet does; beyond that a component escapes and is kept as a half-precision number, so no
 * code saturates. Axes, means, steps, levels and frequencies are constants of the model, like
 * KVQuant's codebooks.
 *
 * A code is at most as wide as `choose_bits` says, since the alphabet has no more symbols; what it
 * takes in the stream follows from how likely it is, and is far less on average.
 *
 * A family of this project. It combines what was found before: pre-RoPE keys and offline codebooks
 * (KVQuant, arXiv 2401.18079), rotation before low-bit codes (TurboQuant, arXiv 2504.19874), keys
 * corrected towards the queries' subspace (SQuat, arXiv 2503.24358) and classical transform coding
 * (Goyal, IEEE Signal Processing Magazine 18(5), 2001).
 *
 * @module
 */
import type { Calibration, CalibrationSamples } from "../../calibration.ts";
import type { Family, HookAnswers, Settings } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import {
  checkInteger,
  checkOneWidth,
  checkOptions,
  checkWidths,
  placeName,
} from "../../setting_checks.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";
import { alphabetSize } from "./component_codes.ts";
import { learnTransform } from "./transform_calibration.ts";
import { GROUP_TOKENS } from "./transform_layout.ts";
import { TransformStoreCpu } from "./transform_store_cpu.ts";
import { TransformStoreGpu } from "./transform_store_gpu.ts";

/**
 * What becomes of a component: a step in standard deviations; `"absent"` leaves it out, `"exact"`
 * keeps it as a half-precision number, an outlier that would need too many symbols.
 */
export type ComponentStep = number | "absent" | "exact";

/**
 * Settings of one layer and kind under `transform`. `bits` are those of a code before it is entropy
 * coded, the same for all heads.
 */
export interface TransformSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /** Every component's step, block after block, in order of decreasing variance. */
  readonly steps: readonly ComponentStep[];
  /** Recent tokens kept exact, at least; tokens are quantized in groups of `GROUP_TOKENS`. */
  readonly residualLength: number;
  /** First tokens kept exact. */
  readonly sinkTokens: number;
  readonly calibrated: true;
}

/** The family `transform`. */
export const transform: Family<TransformSettings> = {
  name: "transform",
  source: "this project; quant/families/transform/transform.ts",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["sink_tokens", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): TransformSettings {
    checkWidths(this, answers, heads);
    checkOptions(this.name, answers, ["steps"]);
    const place = placeName(answers);
    if (answers.axis !== "token") {
      throw new QuantizerError(
        `${place}: family "${this.name}" codes whole tokens; choose_axis must be "token", not ` +
          `"${answers.axis}"`,
      );
    }
    if (answers.calibrationMode !== "offline") {
      throw new QuantizerError(
        `${place}: family "${this.name}" learns its axes offline; calibration_mode must be ` +
          `"offline", not "${answers.calibrationMode}"`,
      );
    }
    checkOneWidth(this.name, answers);
    const sinkTokens = answers.sinkTokens ?? 0;
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    checkInteger(answers, "sink_tokens", sinkTokens, 0);
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f32",
      heads,
      headDim,
      steps: stepsOption(answers, heads * headDim),
      residualLength: answers.residualLength,
      sinkTokens,
      calibrated: true,
    };
  },

  needs: ({ kind }) => kind === "key" ? { preRope: true } : {},
  quantizedRange: transformRange,
  calibrate: (samples: CalibrationSamples, settings): Calibration =>
    learnTransform(samples, settings),
  openCpu: (source, settings) => new TransformStoreCpu(source, settings),
  openGpu: (device, source, settings, tokens) =>
    new TransformStoreGpu(device, source, settings, tokens),
};

/** All but sinks and window, in whole groups. */
export function transformRange(settings: TransformSettings, n: number): TokenRange {
  const { from, to } = slidingWindow(n, settings.residualLength, settings.sinkTokens);
  return { from, to: to - (to - from) % GROUP_TOKENS };
}

/** Where a policy says nothing, alphabets reach three standard deviations to each side. */
const DEFAULT_REACH = 3;

/** The option `steps`. */
function stepsOption(answers: HookAnswers, count: number): readonly ComponentStep[] {
  const given = answers.options?.steps;
  if (given === undefined) {
    const codes = alphabetSize(answers.bits[0]!) - 1;
    return new Array<number>(count).fill(2 * DEFAULT_REACH / codes);
  }
  if (!Array.isArray(given) || given.length !== count) {
    const got = Array.isArray(given) ? `${given.length} entries` : JSON.stringify(given);
    throw new QuantizerError(
      `${placeName(answers)}: option "steps" has ${got}; expected one step for each of ` +
        `${count} components`,
    );
  }
  given.forEach((step: unknown, i) => {
    if (step === "absent" || step === "exact") return;
    if (typeof step === "number" && Number.isFinite(step) && step > 0) return;
    throw new QuantizerError(
      `${placeName(answers)}: option "steps" is ${JSON.stringify(step)} at component ${i}; ` +
        `expected a positive number of standard deviations, "absent" or "exact"`,
    );
  });
  return given as ComponentStep[];
}
