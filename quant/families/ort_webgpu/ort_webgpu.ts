/**
 * What onnxruntime's own WebGPU provider stores under `kvCacheQuantizationBits`: for each token and
 * head one word with a float32 scale, and behind it the codes. With 8 bits they are integers around
 * zero; with 4 the vector is rotated by the Hadamard matrix of its whole length and brought to length
 * 1, and a code is the nearest of 16 levels, whatever the number of channels; the scale is the length.
 *
 * microsoft/onnxruntime, onnxruntime/contrib_ops/webgpu/bert: kv_cache_block_quant_int8.wgsl.template
 * (#32284), turbo_quant_hadamard.wgsl.template and turbo_quant_common.wgsl.template (#28059), as
 * onnxruntime 1.30.0 ships them. It sums squares in another order, so that a length may be off by a
 * unit in the last place.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { largestMagnitude } from "../../numerics/largest_magnitude.ts";
import { roundEven } from "../../numerics/round_even.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkDivides, checkOneWidth, placeName } from "../../setting_checks.ts";
import type { RowArithmetic } from "../../stores/row/row_format.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import arithmetic from "./ort_webgpu.wgsl" with { type: "text" };

const { fround } = Math;

/** Settings of one layer and kind under `ort_webgpu`. */
export interface OrtWebgpuSettings extends WindowedRowSettings {
  readonly paramDtype: "f32";
}

/** Levels of a coordinate, above zero; those below are the same. */
const LEVELS = [0.0113, 0.0342, 0.0578, 0.0829, 0.1104, 0.1419, 0.1809, 0.2377].map(fround);

/** Bounds between them. */
const BOUNDS = [0.0227, 0.0460, 0.0704, 0.0966, 0.1261, 0.1614, 0.2093].map(fround);

const ALL_LEVELS = Float32Array.from([...LEVELS.toReversed().map((x) => -x), ...LEVELS]);
/** The last is beyond everything, so that looking for a code ends. */
const ALL_BOUNDS = Float32Array.from([
  ...BOUNDS.toReversed().map((x) => -x),
  ...[0, ...BOUNDS, Infinity],
]);

const LAST_BOUND = BOUNDS.at(-1)!;
const BINS = 512;
const BINS_PER_UNIT = BINS / (2 * LAST_BOUND);

/**
 * For each of the bins between the first bound and the last, the code of a number a little before it:
 * from there on few bounds are left to compare, and the comparison nearly always ends the same way.
 */
const FIRST_CODES = Uint8Array.from({ length: BINS + 1 }, (_, bin) => {
  const x = (bin - 0.001) / BINS_PER_UNIT - LAST_BOUND;
  return ALL_BOUNDS.findIndex((bound) => x <= bound);
});

/** What zero is stored as in 8 bits. */
const ZERO_CODE = 128;

/** Lengths and scales beyond this saturate, so that what they stand for is finite. */
const MOST = fround(1e30);

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

function keepScale(scale: number, stored: Uint32Array): number {
  floats[0] = scale;
  stored[0] = floatBits[0]!;
  return scale > 0 ? fround(1 / scale) : 0;
}

function scaleOf([stored]: Uint32Array): number {
  floatBits[0] = stored!;
  return floats[0]!;
}

const EIGHT_BITS: RowArithmetic = {
  quantize(entries, _, codes, stored) {
    const inverse = keepScale(fround(largestMagnitude(entries) / 127), stored);
    for (let i = 0; i < entries.length; i++) {
      const level = roundEven(fround(entries[i]! * inverse));
      codes[i] = Math.min(Math.max(level, -127), 127) + ZERO_CODE;
    }
  },
  restore(codes, stored, _, entries) {
    const scale = scaleOf(stored);
    for (let i = 0; i < entries.length; i++) entries[i] = (codes[i]! - ZERO_CODE) * scale;
  },
};

const FOUR_BITS: RowArithmetic = {
  quantize(entries, _, codes, stored) {
    let squares = 0;
    for (let i = 0; i < entries.length; i++) {
      squares = fround(squares + fround(entries[i]! * entries[i]!));
    }
    const inverse = keepScale(Math.min(fround(Math.sqrt(squares)), MOST), stored);
    for (let i = 0; i < entries.length; i++) {
      const x = fround(entries[i]! * inverse);
      const bin = (x + LAST_BOUND) * BINS_PER_UNIT;
      let code = bin > 0 ? FIRST_CODES[bin < BINS ? bin | 0 : BINS]! : 0;
      while (x > ALL_BOUNDS[code]!) code++;
      codes[i] = code;
    }
  },
  restore(codes, stored, _, entries) {
    const scale = scaleOf(stored);
    for (let i = 0; i < entries.length; i++) entries[i] = ALL_LEVELS[codes[i]!]! * scale;
  },
};

/** The family `ort_webgpu`: 4 or 8 bits. A `residual_length` is an extension of this project. */
export const ortWebgpu: Family<OrtWebgpuSettings> = {
  name: "ort_webgpu",
  source: "microsoft/onnxruntime, contrib_ops/webgpu/bert, #28059, #32284",
  widths: [4, 8],
  axes: rowAxes,

  resolve(answers, { headDim }): OrtWebgpuSettings {
    checkOneWidth(this.name, answers);
    const four = answers.bits[0] === 4;
    if (four && (headDim < 8 || (headDim & (headDim - 1)) !== 0)) {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: onnxruntime rotates a head of ${headDim} channels for 4 bits; that ` +
          `takes a power of two of at least 8`,
      );
    }
    if (!four) checkDivides(answers, 4, headDim, "channels of a head");
    return rowSettings(this.name, answers, "f32", headDim);
  },

  ...rowFamily(({ headDim, bits }) => ({
    blockEntries: headDim,
    codeBits: bits[0]!,
    parameterBits: [32],
    place: "together",
    codeOrder: "stream",
    rotation: bits[0] === 4 ? headDim : 1,
    arithmetic: bits[0] === 4 ? FOUR_BITS : EIGHT_BITS,
  }), ({ family }) => ({ name: family, arithmetic })),
};
