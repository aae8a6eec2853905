/**
 * NVIDIA's NVFP4, in which TensorRT-LLM, vLLM and SGLang can store a cache: e2m1 codes in blocks of 16
 * with a scale in e4m3, either as it is or relative to a scale of the tensor that was learned offline.
 *
 * NVIDIA/TensorRT-LLM, docs (KV cache, NVFP4); the rules of rounding are those of pytorch/ao,
 * torchao/prototype/mx_formats/nvfp4_tensor.py.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { Family } from "../../family.ts";
import { E2M1, E4M3, largestOf } from "../../packing/minifloat.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkDivides, checkOneWidth, placeName } from "../../setting_checks.ts";
import { largestPerHead } from "../../stores/row/largest_per_head.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import { type Microscaling, microscalingKernels, microscalingRows } from "./microscaling.ts";

/** Settings of one layer and kind under `nvfp4`. */
export interface Nvfp4Settings extends WindowedRowSettings {
  /** 2 where scales are relative to one of the tensor. */
  readonly levels: 1 | 2;
}

/** The family's options. */
export interface Nvfp4Options {
  /** 2 for scales that are relative to one of the tensor, which is learned offline. */
  readonly levels?: 1 | 2;
}

const FORMAT: Microscaling = { element: E2M1, blockEntries: 16, rule: "nvfp4" };

/**
 * The family `nvfp4`. Option `levels` is 1, or 2 with `calibration_mode` `"offline"`. A
 * `residual_length` is an extension of this project.
 */
export const nvfp4: Family<Nvfp4Settings, never, Nvfp4Options> = {
  name: "nvfp4",
  source: "NVIDIA/TensorRT-LLM; pytorch/ao, torchao/prototype/mx_formats/nvfp4_tensor.py",
  widths: [4],
  options: {
    levels: {
      value: { is: "one of", names: [1, 2] },
      absentRule: "1, or 2 when `calibration_mode` is offline",
      means: "levels of scales; that of the tensor is learned offline",
    },
  },
  axes: rowAxes,
  calibration: "either",

  resolve(answers, { headDim }): Nvfp4Settings {
    checkOneWidth(this.name, answers);
    checkDivides(answers, FORMAT.blockEntries, headDim, "channels of a head");
    const { levels = answers.calibrationMode === "offline" ? 2 : 1 } = answers.options;
    const mode = levels === 2 ? "offline" : "none";
    if (answers.calibrationMode !== mode) {
      throw new QuantizerError(
        `${placeName(answers)}: calibration_mode is "${answers.calibrationMode}"; with option ` +
          `"levels" ${levels} it must be "${mode}"`,
      );
    }
    return {
      ...rowSettings(this.name, answers, "fp8", headDim),
      levels,
      ...(levels === 2 ? { calibrated: true } : {}),
    };
  },

  calibrate(samples, { layer, kind }) {
    const heads = largestPerHead(samples, layer, kind);
    const largest = Math.max(...heads);
    // The largest entry has the largest code and the largest scale.
    const scale = largest === 0 ? 1 : Math.fround(largest / (largestOf(E4M3) * largestOf(E2M1)));
    return { scales: heads.map(() => scale) };
  },

  ...rowFamily((settings) => ({
    ...microscalingRows(FORMAT),
    ...(settings.levels === 2
      ? { constants: calibrated(settings, "scales", Float32Array, settings.bits.length) }
      : {}),
  }), ({ family }) => microscalingKernels(family, FORMAT)),
};
