/**
 * The quantized cache of mlx-lm (`--kv-bits`): affine codes in groups of a row, between the extremes of
 * a group but so that the end of larger magnitude is hit exactly, and with it, where it is small, zero.
 *
 * ml-explore/mlx, mlx/backend/cpu/quantized.cpp (quantize); ml-explore/mlx-lm, mlx_lm/models/cache.py
 * (QuantizedKVCache) and mlx_lm/generate.py (maybe_quantize_kv_cache): the cache is as the model has it
 * until it holds `--quantized-kv-start` tokens, and is then quantized whole.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { roundEven } from "../../numerics/round_even.ts";
import { bfloat16Bits, fromBfloat16Bits } from "../../packing/bfloat16.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { checkDivides, checkOneWidth } from "../../setting_checks.ts";
import type { RowArithmetic } from "../../stores/row/row_format.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";
import arithmetic from "./mlx.wgsl" with { type: "text" };

const { fround } = Math;

/** Settings of one layer and kind under `mlx`. */
export interface MlxSettings extends WindowedRowSettings {
  readonly groupSize: number;
  /** Tokens from which on the whole cache is quantized. */
  readonly start: number;
  /** Type of scales and biases: that of the model. */
  readonly parameters: "f16" | "bf16";
}

/** The family's options. */
export interface MlxOptions {
  /** Tokens from which on the whole cache is quantized. */
  readonly start: number;
  /** Type of scales and biases: that of the model. */
  readonly parameters: "f16" | "bf16";
}

/** Least scale. */
const LEAST_SCALE = fround(1e-7);

const TYPES = {
  f16: { toBits: toHalfBits, fromBits: fromHalfBits },
  bf16: { toBits: bfloat16Bits, fromBits: fromBfloat16Bits },
} as const;

function arithmeticOf({ bits, parameters }: MlxSettings): RowArithmetic {
  const top = 2 ** bits[0]! - 1;
  const { toBits, fromBits } = TYPES[parameters];
  return {
    quantize(entries, _, codes, stored) {
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < entries.length; i++) {
        low = Math.min(low, entries[i]!);
        high = Math.max(high, entries[i]!);
      }
      const step = Math.max(fround(fround(high - low) / top), LEAST_SCALE);
      const fromLow = Math.abs(low) > Math.abs(high);
      const edge = fromLow ? low : high;
      let scale = fromLow ? step : -step;
      let bias = 0;
      const steps = roundEven(fround(edge / scale));
      if (steps !== 0) {
        scale = fround(edge / steps);
        bias = edge;
      }
      stored[0] = toBits(scale);
      stored[1] = toBits(bias);
      if (!Number.isFinite(scale)) {
        codes.fill(0);
        return;
      }
      for (let i = 0; i < entries.length; i++) {
        const level = roundEven(fround(fround(entries[i]! - bias) / scale));
        codes[i] = Math.min(Math.max(level, 0), top);
      }
    },
    restore(codes, [scaleBits, biasBits], _, entries) {
      const scale = fromBits(scaleBits!);
      const bias = fromBits(biasBits!);
      for (let i = 0; i < entries.length; i++) entries[i] = fround(codes[i]! * scale) + bias;
    },
  };
}

/** All of a snapshot that is long enough, but for the tokens of a window. */
function quantizedRange({ start, residualLength }: MlxSettings, n: number): TokenRange {
  return n >= start ? slidingWindow(n, residualLength, 0) : { from: 0, to: 0 };
}

/**
 * The family `mlx`, in groups of 64 by default. Option `start` is the number of tokens from which on
 * the whole cache is quantized, 0 by default (`mlx_lm.generate` has 5000); option `parameters` the type
 * of scales and biases, `"f16"` (default) or `"bf16"`. A `residual_length` is an extension of this
 * project.
 */
export const mlx: Family<MlxSettings, "group_size", MlxOptions> = {
  name: "mlx",
  source:
    "ml-explore/mlx, mlx/backend/cpu/quantized.cpp; ml-explore/mlx-lm, mlx_lm/models/cache.py",
  widths: [2, 3, 4, 5, 6, 8],
  hooks: { group_size: { absent: 64, value: { is: "one of", names: [32, 64, 128] } } },
  options: {
    start: {
      value: { is: "integer", least: 0, most: 2 ** 24 },
      absent: 0,
      means: "tokens from which on the whole cache is quantized",
    },
    parameters: {
      value: { is: "one of", names: ["f16", "bf16"] },
      absent: "f16",
      means: "type of scales and biases, the model's own",
    },
  },
  axes: rowAxes,

  resolve(answers, { headDim }): MlxSettings {
    checkOneWidth(this.name, answers);
    checkDivides(answers, answers.groupSize, headDim, "channels of a head");
    return {
      ...rowSettings(this.name, answers, "f16", headDim),
      groupSize: answers.groupSize,
      start: answers.options.start,
      parameters: answers.options.parameters,
    };
  },

  ...rowFamily(
    (settings) => ({
      blockEntries: settings.groupSize,
      codeBits: settings.bits[0]!,
      parameterBits: [16, 16],
      place: "apart",
      codeOrder: "stream",
      rotation: 1,
      arithmetic: arithmeticOf(settings),
    }),
    ({ family, parameters }) => ({
      name: family,
      arithmetic,
      constants: { brain_floats: parameters === "bf16" },
    }),
    quantizedRange,
  ),
};
