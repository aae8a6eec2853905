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
import { requantizingFamily } from "../../stores/block/requantizing_family.ts";
import type { Family, HookAnswers, Settings } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { HALF_MAX } from "../../packing/half.ts";
import arithmetic from "./hf_hqq.wgsl" with { type: "text" };
import search from "./hf_hqq_search.wgsl" with { type: "text" };
import { HQQ_ROUNDS, searchZeroPoints } from "./hqq_zero_points.ts";
import {
  booleanOption,
  checkInteger,
  checkOneWidth,
  checkOnline,
  checkOptions,
  checkWidths,
  dividingGroup,
  placeName,
} from "../../setting_checks.ts";

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

/** The axis named by option `hqq_axis`, in agreement with `choose_axis`; absent: HQQ's axis 1. */
function namedAxis(answers: HookAnswers): 0 | 1 | undefined {
  const axis = answers.options?.hqq_axis;
  const place = placeName(answers);
  if (axis === undefined) {
    if (answers.axis === "token") return undefined;
    throw new QuantizerError(
      `${place}: family "hf_hqq" has no groups along a channel; choose_axis must be "token", or ` +
        `option "hqq_axis" must ask for HQQ's axis 0, whose groups are strided over all heads`,
    );
  }
  if (axis !== 0 && axis !== 1) {
    throw new QuantizerError(
      `${place}: option "hqq_axis" is ${JSON.stringify(axis)}; it must be 0 or 1`,
    );
  }
  if ((axis === 1) !== (answers.axis === "token")) {
    throw new QuantizerError(
      `${place}: option "hqq_axis" is ${axis}, but choose_axis is "${answers.axis}"; ` +
        `axis 1 goes with "token", axis 0 with "channel"`,
    );
  }
  return axis;
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
export const hfHqq: Family<HqqSettings> = {
  name: "hf_hqq",
  source: "huggingface/transformers 5.18.0, cache_utils.py (HQQQuantizedLayer); " +
    "mobiusml/hqq@e0b1d00, hqq/core/quantize.py, hqq/core/optimize.py",
  widths: [1, 2, 3, 4, 8],
  hooks: ["group_size", "family_options"],

  resolve(answers: HookAnswers, { heads, headDim }): HqqSettings {
    checkWidths(this, answers, heads);
    checkOneWidth(this.name, answers);
    checkOnline(this.name, answers);
    checkOptions(this.name, answers, ["hqq_axis", "optimize"]);
    checkInteger(answers, "residual_length", answers.residualLength, 0);
    const axis = namedAxis(answers);
    if (answers.bits[0] === 3 && axis !== 0) {
      throw new QuantizerError(
        `${placeName(answers)}: family "hf_hqq" has codes of 3 bits on HQQ's axis 0 alone; ` +
          `use 1, 2, 4 or 8 bits, or choose_axis "channel" with option "hqq_axis" 0`,
      );
    }
    const groupSize = axis === undefined
      ? dividingGroup(answers, headDim, DEFAULT_GROUP)
      : answers.groupSize ?? DEFAULT_GROUP;
    checkInteger(answers, "group_size", groupSize, 1);
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
      optimize: booleanOption(answers, "optimize", true),
    };
  },

  ...requantizingFamily(scheme, (settings) => ({
    name: settings.family,
    arithmetic,
    constants: { most_zero: mostZero(settings) },
    refine: {
      wgsl: search,
      rounds: settings.optimize ? HQQ_ROUNDS : 0,
      entryPoints: ["improve", "compare"],
    },
  })),
};
