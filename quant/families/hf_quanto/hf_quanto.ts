/**
 * Transformers' `QuantizedCache` on optimum-quanto: 2- or 4-bit codes between the extremes of a
 * group, and a store that is quantized again and again (quantized_cache.ts).
 *
 * huggingface/transformers 5.18.0, src/transformers/cache_utils.py, QuantoQuantizedLayer;
 * huggingface/optimum-quanto, optimum/quanto/tensor (MaxOptimizer, quantize_affine, group).
 *
 * @module
 */
import { codeOf, scaleOf, valueOf, zeroOf } from "../../stores/affine/affine_group.ts";
import type { BlockScheme, GroupArithmetic } from "../../stores/block/block_arithmetic.ts";
import type { GroupOrder } from "../../stores/block/block_layout.ts";
import { orderedAxes, requantizingFamily } from "../../stores/block/requantizing_family.ts";
import type { Family, HookAnswers, Settings } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import arithmetic from "./hf_quanto.wgsl" with { type: "text" };
import { POSITIVE } from "../../answer_type.ts";
import { checkOneWidth, dividingGroup, placeName } from "../../setting_checks.ts";

/** Settings of one layer and kind under `hf_quanto`. */
export interface QuantoSettings extends Settings {
  /** `"flat"` is quanto's axis 0, `"channel"` its axis -1. */
  readonly order: Exclude<GroupOrder, "comb">;
  readonly groupSize: number;
  /** Whether groups may reach from one head into the next. */
  readonly joined: boolean;
  readonly headDim: number;
  /** Decoded tokens after which the store is quantized again; 0 and 1 act like 2. */
  readonly residualLength: number;
  readonly paramDtype: "f16" | "f32";
  /** `"f16"` rounds to half precision after every operation, as the official code does on a GPU. */
  readonly arithmetic: "f32" | "f16";
}

/** `q_group_size` of the cache when none is given. */
const DEFAULT_GROUP = 64;

const RULE = { clipRatio: 1, scaleFloor: 0 } as const;

/**
 * quanto's `scale * code - shift` with `shift = -min`; stored is `min`. All codes of a constant group
 * are 0, where the official code casts NaN to an integer.
 */
function groupArithmetic(precision: "f32" | "f16"): GroupArithmetic {
  const rule = { ...RULE, arithmetic: precision };
  return {
    fit(low, high, topCode, fit) {
      const zero = zeroOf(low, rule);
      const scale = scaleOf(zero, high, topCode, rule);
      fit.scale = scale;
      fit.zero = zero;
      fit.multiplier = scale > 0 && scale < Infinity ? 1 / scale : 0;
      fit.constant = -zero * fit.multiplier;
    },
    fillLevels(levels, scale, zero, topCode) {
      for (let code = 0; code <= topCode; code++) {
        levels[code] = precision === "f32"
          ? Math.fround(code * scale) + zero
          : valueOf(code, scale, zero, precision);
      }
    },
    ...(precision === "f16"
      ? {
        codeOf: (x: number, scale: number, zero: number, topCode: number) =>
          codeOf(x, scale, zero, topCode, precision),
      }
      : {}),
  };
}

const ARITHMETIC = { f32: groupArithmetic("f32"), f16: groupArithmetic("f16") } as const;

function scheme(settings: QuantoSettings): BlockScheme {
  return {
    order: settings.order,
    groupSize: settings.groupSize,
    joined: settings.joined,
    bits: settings.bits,
    format: settings.paramDtype === "f16" ? "f16_pair" : "f32_pair",
    arithmetic: ARITHMETIC[settings.arithmetic],
  };
}

/** The family's options. */
export interface QuantoOptions {
  /** Asks for quanto's own groups by its name of the axis: 0 is `"token"`, -1 is `"channel"`. */
  readonly quanto_axis?: 0 | -1;
}

/** Whether option `quanto_axis` names the axis, in agreement with `choose_axis`. */
function namesAxis(answers: HookAnswers, axis: 0 | -1 | undefined): boolean {
  if (axis === undefined) return false;
  if ((axis === 0) !== (answers.axis === "token")) {
    throw new QuantizerError(
      `${placeName(answers)}: option "quanto_axis" is ${axis}, but choose_axis is ` +
        `"${answers.axis}"; axis 0 goes with "token", axis -1 with "channel"`,
    );
  }
  return true;
}

/**
 * The family `hf_quanto`. Axis `"token"` is quanto's axis 0 with groups inside one token, `"channel"`
 * its axis -1 with groups inside one head; tokens at the end that fill no group stay exact.
 * `residual_length` is the cache's: all of the prompt is quantized, and recent tokens are exact only
 * since the store was last quantized again.
 *
 * Family option `quanto_axis: 0` (with `"token"`) or `quanto_axis: -1` (with `"channel"`) asks for
 * quanto's own groups, which run through all heads: on axis 0 a group may go on in the next token, on
 * axis -1 in the next head, and any group size will do. Where the official code fails because groups
 * do not fit the length, the last tokens stay exact.
 */
export const hfQuanto: Family<QuantoSettings, never, QuantoOptions> = {
  name: "hf_quanto",
  source: "huggingface/transformers 5.18.0, cache_utils.py (QuantoQuantizedLayer); " +
    "huggingface/optimum-quanto@e33f820, optimum/quanto/tensor",
  widths: [2, 4],
  hooks: { group_size: { absentRule: `${DEFAULT_GROUP}`, value: POSITIVE } },
  options: {
    quanto_axis: {
      value: { is: "one of", names: [0, -1] },
      absentRule: "groups inside one head",
      means: "follows the backend's own axis to the letter",
      kept: ({ joined, order }) => joined ? order : undefined,
      expressed: (axis) => axis === 0 ? "flat" : "channel",
    },
  },
  axes: orderedAxes({ key: ["channel", "token"], value: ["channel", "token"] }),

  resolve(answers, { headDim }): QuantoSettings {
    checkOneWidth(this.name, answers);
    const named = namesAxis(answers, answers.options.quanto_axis);
    const order = answers.axis === "channel" ? "channel" : "flat";
    const groupSize = order === "channel" || named
      ? answers.groupSize ?? DEFAULT_GROUP
      : dividingGroup(answers, headDim, DEFAULT_GROUP);
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      order,
      groupSize,
      joined: named,
      headDim,
      residualLength: answers.residualLength,
      arithmetic: "f32",
    };
  },

  ...requantizingFamily(scheme, ({ family, arithmetic: precision }) => ({
    name: family,
    arithmetic,
    constants: { half_arithmetic: precision === "f16" ? 1 : 0 },
    quotients: precision !== "f16",
  })),
};
