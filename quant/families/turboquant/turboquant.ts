/**
 * TurboQuant: every vector is rotated at random, after which its coordinates all look alike and one
 * scalar codebook serves them; its length is stored apart. The inner-product variant spends one bit of
 * each code on the sign of a random projection of what the codebook leaves over.
 *
 * Zandieh et al., "TurboQuant: Online Vector Quantization with Near-optimal Distortion Rate", arXiv
 * 2504.19874, algorithms 1 and 2. The authors published no code; 0xSero/turboquant,
 * turboquant/quantizer.py, is a community implementation, and the Hadamard rotation is that of
 * vllm-project/vllm, vllm/model_executor/layers/quantization/turboquant.
 *
 * @module
 */
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { placeName } from "../../setting_checks.ts";
import {
  type TurboquantOptions,
  turboquantRange,
  type TurboquantSettings,
} from "./turboquant_settings.ts";
import { TurboquantStoreCpu } from "./turboquant_store_cpu.ts";
import { TurboquantStoreGpu } from "./turboquant_store_gpu.ts";

/** Seed of the rotation when the policy gives none (turboquant/rotation.py). */
const DEFAULT_SEED = 42;

function checkVector(answers: HookAnswers, headDim: number): void {
  const { groupSize } = answers;
  const place = placeName(answers);
  if (groupSize !== undefined && groupSize !== headDim && groupSize !== -1) {
    throw new QuantizerError(
      `${place}: family "turboquant" codes whole vectors; group_size must be ${headDim} or -1, ` +
        `not ${groupSize}`,
    );
  }
  if (headDim < 3) {
    throw new QuantizerError(
      `${place}: family "turboquant" needs heads of 3 channels at least, not ${headDim}`,
    );
  }
}

/**
 * The family `turboquant`. Family options: `variant`, `"mse"` (default) or `"prod"`; `rotation`,
 * `"qr"` (default) or `"hadamard"`, which needs a `headDim` that is a power of two and costs a tenth
 * of the arithmetic; `seed`, a number of 32 bits, by default 42 plus that of the run. A
 * `residual_length` is an extension of this project.
 */
export const turboquant: Family<TurboquantSettings, never, TurboquantOptions> = {
  name: "turboquant",
  source: "arXiv 2504.19874; 0xSero/turboquant@7ac9b8d, turboquant/quantizer.py, rotation.py, " +
    "codebook.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    group_size: {
      absentRule: "the head",
      kept: ({ headDim }) => headDim,
      expressed: (size, { headDim }) => size === -1 ? headDim : size,
    },
  },
  options: {
    variant: {
      value: { is: "one of", names: ["mse", "prod"] },
      absent: "mse",
      means: "least error of vectors, or unbiased inner products",
    },
    rotation: {
      value: { is: "one of", names: ["qr", "hadamard"] },
      absent: "qr",
      means: "which random rotation",
    },
    seed: {
      value: { is: "integer", least: 0, most: 2 ** 32 - 1 },
      absentRule: `${DEFAULT_SEED} plus that of the run`,
      means: "seed of the rotation",
    },
  },
  axes: { key: ["token"], value: ["token"], because: "codes the vectors of single tokens" },

  resolve(answers, { headDim }): TurboquantSettings {
    checkVector(answers, headDim);
    const place = placeName(answers);
    const { variant, rotation } = answers.options;
    const { seed = (DEFAULT_SEED + (answers.seed ?? 0)) % 2 ** 32 } = answers.options;
    if (variant === "prod" && answers.bits.includes(1)) {
      throw new QuantizerError(
        `${place}: the variant "prod" of family "turboquant" spends one bit on signs; ` +
          `use codes of at least 2 bits, not 1`,
      );
    }
    if (rotation === "hadamard" && (headDim & (headDim - 1)) !== 0) {
      throw new QuantizerError(
        `${place}: a Hadamard rotation needs a power of two as the channels of a head, not ` +
          `${headDim}; use rotation "qr"`,
      );
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      headDim,
      variant,
      rotation,
      seed,
      residualLength: answers.residualLength,
    };
  },

  needs: () => ({}),
  quantizedRange: turboquantRange,
  openCpu: (source, settings, tokens) => new TurboquantStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) =>
    new TurboquantStoreGpu(device, source, settings, tokens),
};
