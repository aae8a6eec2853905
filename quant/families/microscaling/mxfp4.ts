/**
 * MXFP4: e2m1 codes in blocks whose scale is a power of two, that of OCP MX or SGLang's own
 * (`--kv-cache-dtype fp4_e2m1`), which has blocks of 16 and rounds the power up, and codes away from
 * zero.
 *
 * "OCP Microscaling Formats (MX) Specification" 1.0; sgl-project/sglang,
 * python/sglang/srt/layers/quantization/kvfp4_tensor.py.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { E2M1 } from "../../packing/minifloat.ts";
import { checkDivides, checkOneWidth } from "../../setting_checks.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import { type Microscaling, microscalingKernels, microscalingRows } from "./microscaling.ts";

/** Settings of one layer and kind under `mxfp4`. */
export interface Mxfp4Settings extends WindowedRowSettings {
  readonly groupSize: number;
  readonly exponent: "floor" | "ceil";
}

/** The family's options. */
export interface Mxfp4Options {
  /** How the scale becomes a power of two. */
  readonly exponent: "floor" | "ceil";
}

function formatOf({ groupSize, exponent }: Mxfp4Settings): Microscaling {
  return { element: E2M1, blockEntries: groupSize, rule: exponent };
}

/**
 * The family `mxfp4`, in groups of 32 by default. Option `exponent` is `"floor"` (default): the largest
 * entry's exponent less that of 6; or `"ceil"`: the least power of two by which no entry exceeds 6,
 * which is SGLang's, with groups of 16. A `residual_length` is an extension of this project.
 */
export const mxfp4: Family<Mxfp4Settings, "group_size", Mxfp4Options> = {
  name: "mxfp4",
  source: "OCP Microscaling Formats (MX) Specification 1.0; sgl-project/sglang, kvfp4_tensor.py",
  widths: [4],
  hooks: { group_size: { absent: 32, value: { is: "one of", names: [16, 32] } } },
  options: {
    exponent: {
      value: { is: "one of", names: ["floor", "ceil"] },
      absent: "floor",
      means: "how the scale becomes a power of two: as OCP has it, or as SGLang",
    },
  },
  axes: rowAxes,

  resolve(answers, { headDim }): Mxfp4Settings {
    checkOneWidth(this.name, answers);
    checkDivides(answers, answers.groupSize, headDim, "channels of a head");
    return {
      ...rowSettings(this.name, answers, "fp8", headDim),
      groupSize: answers.groupSize,
      exponent: answers.options.exponent,
    };
  },

  ...rowFamily(
    (settings) => microscalingRows(formatOf(settings)),
    (settings) => microscalingKernels(settings.family, formatOf(settings)),
  ),
};
