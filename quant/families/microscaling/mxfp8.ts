/**
 * MXFP8: codes of 8 bits in blocks of 32 whose scale is a power of two.
 *
 * "OCP Microscaling Formats (MX) Specification" 1.0.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { E4M3, E5M2 } from "../../packing/minifloat.ts";
import { checkDivides, checkOneWidth } from "../../setting_checks.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import { type Microscaling, microscalingKernels, microscalingRows } from "./microscaling.ts";

/** Settings of one layer and kind under `mxfp8`. */
export interface Mxfp8Settings extends WindowedRowSettings {
  readonly format: "e4m3" | "e5m2";
}

/** The family's options. */
export interface Mxfp8Options {
  /** Exponent and mantissa bits. */
  readonly format: "e4m3" | "e5m2";
}

const FORMATS: Readonly<Record<Mxfp8Options["format"], Microscaling>> = {
  e4m3: { element: E4M3, blockEntries: 32, rule: "floor" },
  e5m2: { element: E5M2, blockEntries: 32, rule: "floor" },
};

/**
 * The family `mxfp8`. Option `format` is `"e4m3"` (default) or `"e5m2"`. A `residual_length` is an
 * extension of this project.
 */
export const mxfp8: Family<Mxfp8Settings, never, Mxfp8Options> = {
  name: "mxfp8",
  source: "OCP Microscaling Formats (MX) Specification 1.0",
  widths: [8],
  options: {
    format: {
      value: { is: "one of", names: ["e4m3", "e5m2"] },
      absent: "e4m3",
      means: "exponent and mantissa bits",
    },
  },
  axes: rowAxes,

  resolve(answers, { headDim }): Mxfp8Settings {
    checkOneWidth(this.name, answers);
    checkDivides(answers, 32, headDim, "channels of a head");
    return {
      ...rowSettings(this.name, answers, "fp8", headDim),
      format: answers.options.format,
    };
  },

  ...rowFamily(
    ({ format }) => microscalingRows(FORMATS[format]),
    ({ family, format }) => microscalingKernels(family, FORMATS[format]),
  ),
};
