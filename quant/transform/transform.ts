/**
 * Transform coding: vectors are turned into principal components that were learned offline, and each
 * component gets a scalar code of its own width, 0 for components that carry next to nothing. Keys
 * are coded before RoPE, where they are far more alike, and rotated when they are restored.
 *
 * All KV heads of a token are transformed together, as far as `MOST_CHANNELS` allows, because heads
 * of one layer share much of what they hold. An error in a key is weighed by what the queries make of
 * it, so directions that queries never look into cost few bits. Codebooks, axes and means are
 * constants of the model, like KVQuant's. A token whose components are large is a token that attracts
 * attention, and an error there is the dearest of all; so keys store one number per token, the range
 * of its components in units of their standard deviations, and no code of theirs saturates.
 *
 * A family of this project. It combines what was found before: pre-RoPE keys and offline codebooks
 * (KVQuant, arXiv 2401.18079), rotation before low-bit codes (TurboQuant, arXiv 2504.19874), keys
 * corrected towards the queries' subspace (SQuat, arXiv 2503.24358) and classical transform coding
 * (Goyal, IEEE Signal Processing Magazine 18(5), 2001).
 *
 * @module
 */
import type { Calibration, CalibrationSamples } from "../calibration.ts";
import { type Family, type HookAnswers, QuantizerError, type Settings } from "../family.ts";
import { checkInteger, checkOptions, checkWidths, placeName } from "../setting_checks.ts";
import type { TokenRange } from "../tensor.ts";
import { learnTransform } from "./transform_calibration.ts";
import { TransformStoreCpu } from "./transform_store_cpu.ts";
import { TransformStoreGpu } from "./transform_store_gpu.ts";
import { slidingWindow } from "../windows.ts";

/** Settings of one layer and kind under `transform`. */
export interface TransformSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /**
   * Code width of every component, block after block, in order of decreasing variance; 0 leaves a
   * component out, `EXACT` keeps it as a half-precision number.
   */
  readonly widths: readonly number[];
  /**
   * Where the levels of a component lie: learned once, for the least mean squared error, or evenly
   * spread over a range that every token stores for itself, so that no code saturates.
   */
  readonly levels: "learned" | "token";
  /** Recent tokens kept exact. */
  readonly residualLength: number;
  /** First tokens kept exact. */
  readonly sinkTokens: number;
  readonly calibrated: true;
}

const MOST_WIDTH = 8;

/** Width of an outlier component: one that stands out so far that it is not coded but kept. */
export const EXACT = 16;

/** The family `transform`. */
export const transform: Family<TransformSettings> = {
  name: "transform",
  source: "this project; quant/transform/transform.ts",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: ["sink_tokens", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): TransformSettings {
    checkWidths(this, answers, heads);
    checkOptions(this.name, answers, ["widths", "levels"]);
    const place = placeName(answers);
    if (answers.axis !== "token") {
      throw new QuantizerError(
        `${place}: family "${this.name}" codes whole tokens; choose_axis must be "token", not ` +
          `"${answers.axis}".`,
      );
    }
    if (answers.calibrationMode !== "offline") {
      throw new QuantizerError(
        `${place}: family "${this.name}" learns its axes offline; calibration_mode must be ` +
          `"offline", not "${answers.calibrationMode}".`,
      );
    }
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
      widths: componentWidths(answers, heads, headDim),
      levels: levelsOption(answers),
      residualLength: answers.residualLength,
      sinkTokens,
      calibrated: true,
    };
  },

  needs: ({ kind }) => kind === "key" ? { preRope: true } : {},
  quantizedRange: transformRange,
  calibrate: (samples: CalibrationSamples, settings): Calibration =>
    learnTransform(samples, settings),
  openCpu: (source, settings, tokens) => new TransformStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new TransformStoreGpu(device, source, settings, tokens),
};

/** All but sinks and window. */
export function transformRange(settings: TransformSettings, n: number): TokenRange {
  return slidingWindow(n, settings.residualLength, settings.sinkTokens);
}

/** The option `levels`; keys, whose outliers attract attention, have a range per token by default. */
function levelsOption(answers: HookAnswers): "learned" | "token" {
  const given = answers.options?.levels ?? (answers.kind === "key" ? "token" : "learned");
  if (given !== "learned" && given !== "token") {
    throw new QuantizerError(
      `${placeName(answers)}: option "levels" is ${JSON.stringify(given)}; ` +
        `expected "learned" or "token".`,
    );
  }
  return given;
}

/** The option `widths`; without it every component has the width of its head. */
function componentWidths(answers: HookAnswers, heads: number, headDim: number): number[] {
  const given = answers.options?.widths;
  if (given === undefined) {
    return answers.bits.flatMap((bits) => new Array<number>(headDim).fill(bits));
  }
  const widest = Math.min(MOST_WIDTH, Math.max(...answers.bits));
  const count = heads * headDim;
  if (!Array.isArray(given) || given.length !== count) {
    const got = Array.isArray(given) ? `${given.length} entries` : JSON.stringify(given);
    throw new QuantizerError(
      `${placeName(answers)}: option "widths" has ${got}; expected one width for each of ` +
        `${count} components (${heads} heads of ${headDim} channels).`,
    );
  }
  given.forEach((width: unknown, i) => {
    if (width === EXACT) return;
    if (!Number.isInteger(width) || (width as number) < 0 || (width as number) > widest) {
      throw new QuantizerError(
        `${placeName(answers)}: option "widths" is ${JSON.stringify(width)} at component ${i}; ` +
          `expected an integer from 0 to ${widest}, the widest code choose_bits allows, or ${EXACT} ` +
          `for a component that is kept exact.`,
      );
    }
  });
  return given as number[];
}
