/**
 * KVTuner's built-in quantizer: widths come from a table per layer, zero points are whole steps, and
 * the cache is quantized again and again (quantized_cache.ts).
 *
 * Li et al., "KVTuner: Sensitivity-Aware Layer-wise Mixed Precision KV Cache Quantization", arXiv
 * 2502.04420; KexuanZhang/KVTuner, flexible_quant/flexible_quant/vanilla_quantizer.py and
 * flexible_quantized_cache.py (update, without `force_quant`).
 *
 * @module
 */
import type { BlockScheme, GroupArithmetic } from "../../stores/block/block_arithmetic.ts";
import type { GroupOrder } from "../../stores/block/block_layout.ts";
import { type BlockFormat, MOST_STEPS } from "../../stores/block/block_parameters.ts";
import { orderedAxes, requantizingFamily } from "../../stores/block/requantizing_family.ts";
import type { Family, Settings } from "../../family.ts";
import { roundToHalf } from "../../packing/half.ts";
import arithmetic from "./kvtuner.wgsl" with { type: "text" };
import { checkInteger, dividingGroup } from "../../setting_checks.ts";

/** Settings of one layer and kind under `kvtuner`. */
export interface KvtunerSettings extends Settings {
  /** `"flat"` is KVTuner's axis 0 (per token), `"channel"` its axis 1. */
  readonly order: Exclude<GroupOrder, "comb">;
  readonly groupSize: number;
  readonly joined: false;
  readonly headDim: number;
  /** Decoded tokens after which the store is quantized again; 0 and 1 act like 2. */
  readonly residualLength: number;
  /** Without zero points. */
  readonly symmetric: boolean;
  readonly paramDtype: "f16" | "f32";
}

/** `q_group_size` of the cache when none is given. */
const DEFAULT_GROUP = 64;

/** Smallest range (vanilla_quantizer.py). */
const SMALLEST_RANGE = 1e-5;

/** Largest scale where a range is beyond float32. */
const LARGEST_SCALE = 3e38;

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Groups of equal sign far from 0 get coarser steps, so that their zero point fits 16 bits. */
const MOST_ZERO = MOST_STEPS - 1;

/** The smallest scale that has room for `low`, even when it is rounded down for storage. */
function smallestScale(low: number): number {
  return Math.abs(low) / MOST_ZERO * (1 + 2 ** -10) + 2 ** -25;
}

/**
 * Codes are counted from the lowest one, `2^(b-1)` below the official ones. Scales are rounded for
 * storage before codes are computed: with a zero point of many steps, a code that was computed from
 * another scale than it is restored with would be far off.
 */
function groupArithmetic({ symmetric, paramDtype }: KvtunerSettings): GroupArithmetic {
  const half = paramDtype === "f16";
  const stored = half ? roundToHalf : Math.fround;
  if (symmetric) {
    return {
      fit(low, high, topCode, fit) {
        const largest = Math.max(-low, high, SMALLEST_RANGE);
        fit.scale = stored(largest / ((topCode - 1) / 2));
        fit.zero = 0;
        fit.multiplier = 1 / fit.scale;
        fit.constant = (topCode + 1) / 2;
      },
      fillLevels(levels, scale, _zero, topCode) {
        const lowest = -(topCode + 1) / 2;
        for (let code = 0; code <= topCode; code++) levels[code] = (code + lowest) * scale;
      },
    };
  }
  return {
    fit(low, high, topCode, fit) {
      const range = Math.max(high - low, SMALLEST_RANGE);
      let scale = Math.min(range / topCode, LARGEST_SCALE);
      if (half) scale = Math.max(scale, smallestScale(low));
      fit.scale = stored(scale);
      const steps = low / fit.scale + ROUND - ROUND;
      fit.zero = half ? Math.min(Math.max(steps, -MOST_ZERO), MOST_ZERO) : Math.fround(steps);
      fit.multiplier = 1 / fit.scale;
      fit.constant = -fit.zero;
    },
    fillLevels(levels, scale, zero, topCode) {
      for (let code = 0; code <= topCode; code++) levels[code] = (code + zero) * scale;
    },
  };
}

function format({ symmetric, paramDtype }: KvtunerSettings): BlockFormat {
  if (symmetric) return paramDtype === "f16" ? "f16_scale" : "f32_scale";
  return paramDtype === "f16" ? "f16_i16" : "f32_pair";
}

function scheme(settings: KvtunerSettings): BlockScheme {
  const { order, groupSize, joined, bits } = settings;
  return {
    order,
    groupSize,
    joined,
    bits,
    format: format(settings),
    arithmetic: groupArithmetic(settings),
  };
}

/**
 * The family `kvtuner`. `choose_bits` gives the table's widths; axis `"token"` is KVTuner's axis 0,
 * where a `group_size` of -1 is the whole head, `"channel"` its axis 1. Tokens at the end that fill no
 * group stay exact, where the official code fails. Scales are f16 and zero points 16-bit integers.
 *
 * Officially a prompt can be cut to whole residuals first (`force_quant`), which then quantizes
 * nothing when it is one already; here all of the prompt is quantized.
 */
export const kvtuner: Family<KvtunerSettings, "symmetric"> = {
  name: "kvtuner",
  source: "arXiv 2502.04420; KexuanZhang/KVTuner@b26327b, flexible_quant/flexible_quant/" +
    "vanilla_quantizer.py, flexible_quantized_cache.py",
  widths: [2, 4, 8],
  hooks: {
    group_size: {
      absentRule: `${DEFAULT_GROUP}`,
      expressed: (size, { headDim }) => size === -1 ? headDim : size,
    },
    symmetric: { absent: true },
  },
  axes: orderedAxes({ key: ["channel", "token"], value: ["channel", "token"] }),
  // The widths were found offline; nothing is left to calibrate when they are applied.
  calibration: "either",

  resolve(answers, { headDim }): KvtunerSettings {
    const order = answers.axis === "channel" ? "channel" : "flat";
    const groupSize = order === "channel"
      ? answers.groupSize ?? DEFAULT_GROUP
      : answers.groupSize === -1
      ? headDim
      : dividingGroup(answers, headDim, DEFAULT_GROUP);
    checkInteger(answers, "group_size", groupSize, 1);
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      order,
      groupSize,
      joined: false,
      headDim,
      residualLength: answers.residualLength,
      symmetric: answers.symmetric,
    };
  },

  ...requantizingFamily(scheme, ({ family, symmetric, paramDtype }) => ({
    name: family,
    arithmetic,
    constants: {
      symmetric: symmetric ? 1 : 0,
      most_steps: paramDtype === "f16" ? MOST_ZERO : 0,
    },
  })),
};
