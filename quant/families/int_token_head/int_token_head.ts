/**
 * Integers with a scale of their own for every token and head: vLLM's `int8_per_token_head` and, with
 * the range of a row in place of a scale around zero, LMDeploy's `--quant-policy 8` and `4`.
 *
 * vllm-project/vllm, vllm/v1/attention/ops/triton_reshape_and_cache_flash.py; InternLM/lmdeploy,
 * lmdeploy/pytorch/kernels/cuda/fill_kv_cache.py. Symmetric codes are signed, and lie between the
 * same ends on both sides of zero; others go from the least entry on, which is stored in place of
 * LMDeploy's zero point, and those of 4 bits lie as LMDeploy has them, entry `i` beside entry
 * `i + headDim / 2`. Rounding is half to even.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { largestMagnitude } from "../../numerics/largest_magnitude.ts";
import { roundEven } from "../../numerics/round_even.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import type { RowArithmetic } from "../../stores/row/row_format.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import arithmetic from "./int_token_head.wgsl" with { type: "text" };

const { fround } = Math;

/** Settings of one layer and kind under `int_token_head`. */
export interface IntTokenHeadSettings extends WindowedRowSettings {
  readonly symmetric: boolean;
  readonly paramDtype: "f16" | "f32";
}

/** The family's options. */
export interface IntTokenHeadOptions {
  /** Precision of scales, and of least entries. */
  readonly parameters: "f16" | "f32";
}

/** Entries beyond this saturate, so that no range is infinite. */
const MOST = fround(1e38);

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

/** The bits of a parameter in its precision. */
function toBits(x: number, { paramDtype }: IntTokenHeadSettings): number {
  if (paramDtype === "f16") return toHalfBits(x);
  floats[0] = x;
  return floatBits[0]!;
}

function fromBits(bits: number, { paramDtype }: IntTokenHeadSettings): number {
  if (paramDtype === "f16") return fromHalfBits(bits);
  floatBits[0] = bits;
  return floats[0]!;
}

function symmetric(settings: IntTokenHeadSettings): RowArithmetic {
  const width = settings.bits[0]!;
  const top = 2 ** (width - 1) - 1;
  const mask = 2 ** width - 1;
  return {
    quantize(entries, _, codes, stored) {
      const largest = largestMagnitude(entries);
      const scale = largest === 0 ? 1 : fround(largest / top);
      stored[0] = toBits(scale, settings);
      for (let i = 0; i < entries.length; i++) {
        const level = roundEven(fround(entries[i]! / scale));
        codes[i] = Math.min(Math.max(level, -top), top) & mask;
      }
    },
    restore(codes, [stored], _, entries) {
      const scale = fromBits(stored!, settings);
      const shift = 32 - width;
      for (let i = 0; i < entries.length; i++) entries[i] = (codes[i]! << shift >> shift) * scale;
    },
  };
}

function ranged(settings: IntTokenHeadSettings): RowArithmetic {
  const top = 2 ** settings.bits[0]! - 1;
  return {
    quantize(entries, _, codes, stored) {
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < entries.length; i++) {
        const x = entries[i] = Math.min(Math.max(entries[i]!, -MOST), MOST);
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
      const scale = fround(fround(high - low) / top);
      stored[0] = toBits(scale, settings);
      stored[1] = toBits(low, settings);
      for (let i = 0; i < entries.length; i++) {
        const level = scale === 0 ? 0 : roundEven(fround(fround(entries[i]! - low) / scale));
        codes[i] = Math.min(level, top);
      }
    },
    restore(codes, [scaleBits, lowBits], _, entries) {
      const scale = fromBits(scaleBits!, settings);
      const low = fromBits(lowBits!, settings);
      for (let i = 0; i < entries.length; i++) entries[i] = fround(codes[i]! * scale) + low;
    },
  };
}

/**
 * The family `int_token_head`: 4 or 8 bits, `symmetric` by default. Option `parameters` is the
 * precision of scales, and of least entries: `"f32"` (default), or `"f16"` as LMDeploy stores them.
 * A `residual_length` is an extension of this project.
 */
export const intTokenHead: Family<IntTokenHeadSettings, "symmetric", IntTokenHeadOptions> = {
  name: "int_token_head",
  source:
    "vllm-project/vllm, triton_reshape_and_cache_flash.py; InternLM/lmdeploy, fill_kv_cache.py",
  widths: [4, 8],
  hooks: { symmetric: { absent: true } },
  options: {
    parameters: {
      value: { is: "one of", names: ["f32", "f16"] },
      absent: "f32",
      means: "precision of scales and least entries",
      kept: ({ paramDtype }) => paramDtype,
    },
  },
  axes: rowAxes,

  resolve(answers, { headDim }): IntTokenHeadSettings {
    checkOneWidth(this.name, answers);
    if (headDim % 2 !== 0) {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: family "${this.name}" needs an even number of channels, not ${headDim}`,
      );
    }
    return {
      ...rowSettings(this.name, answers, answers.options.parameters, headDim),
      symmetric: answers.symmetric,
    };
  },

  ...rowFamily((settings) => {
    const width = settings.paramDtype === "f16" ? 16 : 32;
    return {
      blockEntries: settings.headDim,
      codeBits: settings.bits[0]!,
      parameterBits: settings.symmetric ? [width] : [width, width],
      place: "apart",
      codeOrder: settings.symmetric || settings.bits[0] === 8 ? "stream" : "halves",
      rotation: 1,
      arithmetic: settings.symmetric ? symmetric(settings) : ranged(settings),
    };
  }, ({ family, symmetric }) => ({ name: family, arithmetic, constants: { symmetric } })),
};
