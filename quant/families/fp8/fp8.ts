/**
 * The 8-bit floats of vLLM, SGLang and TensorRT-LLM (`--kv-cache-dtype fp8_e4m3`, `fp8_e5m2`): every
 * entry rounded to the nearest value of the format times a scale. The scale is one, which is vLLM's
 * without calibration; learned offline, for a tensor or for each of its heads; or that of the row.
 *
 * vllm-project/vllm, docs/features/quantization/quantized_kvcache.md and
 * vllm/v1/attention/ops/triton_reshape_and_cache_flash.py.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { KeptSamples } from "../../calibration.ts";
import type { Family, Settings } from "../../family.ts";
import { E4M3, E5M2, fromMinifloat, largestOf, toMinifloat } from "../../packing/minifloat.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import { largestPerHead } from "../../stores/row/largest_per_head.ts";
import type { RowArithmetic } from "../../stores/row/row_format.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import minifloat from "../../packing/minifloat.wgsl" with { type: "text" };
import arithmetic from "./fp8.wgsl" with { type: "text" };

const { fround } = Math;

/** What shares a scale. */
type ScaleOf = "one" | "tensor" | "head" | "token_head";

/** Settings of one layer and kind under `fp8`. */
export interface Fp8Settings extends WindowedRowSettings {
  readonly format: "e4m3" | "e5m2";
  readonly scale: ScaleOf;
}

/** The family's options. */
export interface Fp8Options {
  /** Exponent and mantissa bits. */
  readonly format: "e4m3" | "e5m2";
  /** What shares a scale; `"tensor"` and `"head"` are learned offline. */
  readonly scale?: ScaleOf;
}

const FORMATS = { e4m3: E4M3, e5m2: E5M2 } as const;

function learns(scale: ScaleOf): boolean {
  return scale === "tensor" || scale === "head";
}

/** A scale that takes the largest magnitude to the largest value; 1 where all is zero. */
function scaleFor(largest: number, top: number): number {
  return largest === 0 ? 1 : fround(largest / top);
}

function arithmeticOf({ format, scale }: Fp8Settings): RowArithmetic {
  const float = FORMATS[format];
  const top = largestOf(float);
  const values = Float32Array.from({ length: 256 }, (_, bits) => fromMinifloat(float, bits));
  const ofRow = scale === "token_head";
  const stored = new Float32Array(1);
  const storedBits = new Uint32Array(stored.buffer);
  return {
    quantize(entries, constant, codes, parameters) {
      let s = constant;
      if (ofRow) {
        s = stored[0] = scaleFor(entries.reduce((most, x) => Math.max(most, Math.abs(x)), 0), top);
        parameters[0] = storedBits[0]!;
      }
      for (let i = 0; i < entries.length; i++) {
        codes[i] = toMinifloat(float, s === 1 ? entries[i]! : entries[i]! / s);
      }
    },
    restore(codes, parameters, constant, entries) {
      storedBits[0] = parameters[0] ?? 0;
      const s = ofRow ? stored[0]! : constant;
      for (let i = 0; i < entries.length; i++) entries[i] = values[codes[i]!]! * s;
    },
  };
}

function calibrate(
  samples: KeptSamples,
  { layer, kind, format, scale }: Settings & Pick<Fp8Settings, "format" | "scale">,
) {
  const largest = largestPerHead(samples, layer, kind);
  const ofAll = Math.max(...largest);
  const top = largestOf(FORMATS[format]);
  return { scales: largest.map((own) => scaleFor(scale === "head" ? own : ofAll, top)) };
}

/**
 * The family `fp8`. Option `format` is `"e4m3"` (default) or `"e5m2"`; option `scale` is `"one"`
 * (default) or `"token_head"`, or with `calibration_mode` `"offline"` `"tensor"` (default) or `"head"`;
 * there is none but one for `"e5m2"`. A `residual_length` is an extension of this project.
 */
export const fp8: Family<Fp8Settings, never, Fp8Options> = {
  name: "fp8",
  source: "vllm-project/vllm, docs/features/quantization/quantized_kvcache.md; arXiv 2209.05433",
  widths: [8],
  options: {
    format: {
      value: { is: "one of", names: ["e4m3", "e5m2"] },
      absent: "e4m3",
      means: "exponent and mantissa bits",
    },
    scale: {
      value: { is: "one of", names: ["one", "tensor", "head", "token_head"] },
      absentRule: "one, or tensor when `calibration_mode` is offline",
      means: "what shares a scale; those of a tensor or head are learned offline",
    },
  },
  axes: rowAxes,
  calibration: "either",

  resolve(answers, { headDim }): Fp8Settings {
    checkOneWidth(this.name, answers);
    const { format } = answers.options;
    const { scale = answers.calibrationMode === "offline" ? "tensor" : "one" } = answers.options;
    const place = placeName(answers);
    if (format === "e5m2" && scale !== "one") {
      throw new QuantizerError(
        `${place}: option "scale" is "${scale}", but e5m2 has no scale; choose "one"`,
      );
    }
    const mode = learns(scale) ? "offline" : "none";
    if (answers.calibrationMode !== mode) {
      throw new QuantizerError(
        `${place}: calibration_mode is "${answers.calibrationMode}"; with option "scale" ` +
          `"${scale}" it must be "${mode}"`,
      );
    }
    return {
      ...rowSettings(this.name, answers, "f32", headDim),
      format,
      scale,
      ...(learns(scale) ? { calibrated: true } : {}),
    };
  },

  calibrate,
  ...rowFamily((settings) => ({
    blockEntries: settings.headDim,
    codeBits: 8,
    parameterBits: settings.scale === "token_head" ? [32] : [],
    place: "apart",
    codeOrder: "stream",
    rotation: 1,
    arithmetic: arithmeticOf(settings),
    ...(learns(settings.scale)
      ? { constants: calibrated(settings, "scales", Float32Array, settings.bits.length) }
      : {}),
  }), ({ family, format }) => ({
    name: family,
    arithmetic: minifloat + arithmetic,
    constants: { five_exponent_bits: format === "e5m2" },
  })),
};
