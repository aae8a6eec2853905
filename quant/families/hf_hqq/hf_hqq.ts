/**
 * Transformers' `QuantizedCache` on HQQ: codes with a float zero point that is improved by a search,
 * and a store that is quantized again and again (quantized_cache.ts).
 *
 * Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models" (2023);
 * huggingface/transformers 5.18.0, src/transformers/cache_utils.py, HQQQuantizedLayer;
 * mobiusml/hqq, hqq/core/quantize.py.
 *
 * @module
 */
import type { BlockScheme, GroupArithmetic } from "../../stores/block/block_arithmetic.ts";
import type { GroupOrder } from "../../stores/block/block_layout.ts";
import { orderedAxes, requantizingFamily } from "../../stores/block/requantizing_family.ts";
import type { Family, HookAnswers, Settings } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { HALF_MAX } from "../../packing/half.ts";
import arithmetic from "./hf_hqq.wgsl" with { type: "text" };
import search from "./hf_hqq_search.wgsl" with { type: "text" };
import { HQQ_ROUNDS, searchZeroPoints } from "./hqq_zero_points.ts";
import { POSITIVE } from "../../answer_type.ts";
import { checkOneWidth, dividingGroup, placeName } from "../../setting_checks.ts";

/** Settings of one layer and kind under `hf_hqq`. */
export interface HqqSettings extends Settings {
  /** `"flat"` is HQQ's axis 1, `"comb"` its axis 0. */
  readonly order: Exclude<GroupOrder, "channel">;
  readonly groupSize: number;
  /** Whether groups may reach from one head into the next. */
  readonly joined: boolean;
  /** Ten codes to a word, as HQQ stores 3 bits. */
  readonly tenPerWord: boolean;
  readonly headDim: number;
  /** Decoded tokens after which the store is quantized again; 0 and 1 act like 2. */
  readonly residualLength: number;
  /** Whether zero points are searched for. */
  readonly optimize: boolean;
  readonly paramDtype: "f16" | "f32";
}

/** `q_group_size` of the cache when none is given. */
const DEFAULT_GROUP = 64;

/** Ranges up to this are coded in steps of 1, so that all entries become the smallest one. */
const SMALLEST_RANGE = 1e-4;

/** Most steps per unit of value. */
const MOST_STEPS = 20000;

/** Largest scale that is stored where a range is beyond float32; the entries become 0. */
const LARGEST_SCALE = 3e38;

/**
 * Largest zero point that an f16 holds, less what the search may add. The official code gives
 * infinite zero points and NaN beyond; here such groups get coarser steps, which are then as far
 * apart as f16 values of that size.
 */
const MOST_ZERO = HALF_MAX - 512;

function groupArithmetic(mostZero: number, optimize: boolean): GroupArithmetic {
  return {
    fit(low, high, topCode, fit) {
      const range = Math.fround(high - low);
      let steps = range <= SMALLEST_RANGE ? 1 : Math.min(Math.fround(topCode / range), MOST_STEPS);
      if (Math.abs(low) * steps > mostZero) steps = mostZero / Math.abs(low);
      fit.multiplier = steps;
      fit.constant = Math.fround(-low * steps);
      fit.scale = steps === 0 ? LARGEST_SCALE : 1 / steps;
      fit.zero = fit.constant;
    },
    ...(optimize ? { refine: searchZeroPoints } : {}),
    fillLevels(levels, scale, zero, topCode) {
      for (let code = 0; code <= topCode; code++) levels[code] = Math.fround(code - zero) * scale;
    },
  };
}

function mostZero(settings: HqqSettings): number {
  return settings.paramDtype === "f16" ? MOST_ZERO : LARGEST_SCALE;
}

function scheme(settings: HqqSettings): BlockScheme {
  return {
    order: settings.order,
    groupSize: settings.groupSize,
    joined: settings.joined,
    bits: settings.bits,
    tenPerWord: settings.tenPerWord,
    format: settings.paramDtype === "f16" ? "f16_pair" : "f32_pair",
    arithmetic: groupArithmetic(mostZero(settings), settings.optimize),
  };
}

/** The family's options. */
export interface HqqOptions {
  /** Asks for HQQ's axis by name; absent: its axis 1, with groups inside one token. */
  readonly hqq_axis?: 0 | 1;
  /** Whether zero points are searched for. */
  readonly optimize: boolean;
}

/** The axis that option `hqq_axis` names agrees with `choose_axis`. */
function checkNamedAxis(answers: HookAnswers, axis: 0 | 1 | undefined): void {
  if (axis === undefined || (axis === 1) === (answers.axis === "token")) return;
  throw new QuantizerError(
    `${placeName(answers)}: option "hqq_axis" is ${axis}, but choose_axis is "${answers.axis}"; ` +
      `axis 1 goes with "token", axis 0 with "channel"`,
  );
}

/**
 * The family `hf_hqq`. Axis `"token"` is HQQ's axis 1 with groups inside one token. The search for
 * zero points stops for a whole layer and kind at once, as it does officially.
 *
 * Family options: `hqq_axis: 0` (with `"channel"`) asks for HQQ's axis 0 by name, whose groups take
 * every n-th entry of all heads and tokens, and change with the length of the cache; `hqq_axis: 1`
 * (with `"token"`) for groups that run through all heads, of any size; tokens at the end that fill no
 * group stay exact. `optimize: false` leaves the search out.
 *
 * Codes of 3 bits take 3.2 bits, ten to a word, and exist on axis 0 only: officially those of axis 1
 * cannot be restored.
 */
export const hfHqq: Family<HqqSettings, never, HqqOptions> = {
  name: "hf_hqq",
  source: "huggingface/transformers 5.18.0, cache_utils.py (HQQQuantizedLayer); " +
    "mobiusml/hqq@e0b1d00, hqq/core/quantize.py, hqq/core/optimize.py",
  widths: [1, 2, 3, 4, 8],
  hooks: { group_size: { absentRule: `${DEFAULT_GROUP}`, value: POSITIVE } },
  options: {
    hqq_axis: {
      value: { is: "one of", names: [0, 1] },
      absentRule: "groups inside one token",
      means:
        "follows HQQ's own axis to the letter; the groups of axis 0 are strided over all heads",
      axes: ["channel"],
      kept: ({ joined, order }) => joined ? order : undefined,
      expressed: (axis) => axis === 0 ? "comb" : "flat",
    },
    optimize: {
      value: { is: "boolean" },
      absent: true,
      means: "whether zero points are searched for",
    },
  },
  axes: orderedAxes({
    key: ["token"],
    value: ["token"],
    because: "has no groups along a channel",
  }),

  resolve(answers, { headDim }): HqqSettings {
    const { hqq_axis: axis, optimize } = answers.options;
    checkOneWidth(this.name, answers);
    checkNamedAxis(answers, axis);
    if (answers.bits[0] === 3 && axis !== 0) {
      throw new QuantizerError(
        `${placeName(answers)}: family "hf_hqq" has codes of 3 bits on HQQ's axis 0 alone; ` +
          `use 1, 2, 4 or 8 bits, or choose_axis "channel" with option "hqq_axis" 0`,
      );
    }
    const groupSize = axis === undefined
      ? dividingGroup(answers, headDim, DEFAULT_GROUP)
      : answers.groupSize ?? DEFAULT_GROUP;
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      order: axis === 0 ? "comb" : "flat",
      groupSize,
      joined: axis !== undefined,
      tenPerWord: answers.bits[0] === 3,
      headDim,
      residualLength: answers.residualLength,
      optimize,
    };
  },

  ...requantizingFamily(scheme, (settings) => ({
    name: settings.family,
    arithmetic,
    constants: { most_zero: mostZero(settings) },
    refine: { wgsl: search, rounds: settings.optimize ? HQQ_ROUNDS : 0 },
  })),
};
