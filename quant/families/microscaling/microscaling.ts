/**
 * Microscaling: small blocks of a row, each with a scale of 8 bits, in codes of 4 or 8 bits. What
 * `nvfp4`, `mxfp4` and `mxfp8` have in common: the arithmetic of a block, by the rule for its scale.
 *
 * "OCP Microscaling Formats (MX) Specification" 1.0, section 6.3, for the scale by the exponent alone
 * (`"floor"`); sgl-project/sglang, python/sglang/srt/layers/quantization/kvfp4_tensor.py, for the one
 * by rounding up (`"ceil"`); NVIDIA's NVFP4, as in pytorch/ao, torchao/prototype/mx_formats, for the
 * one in e4m3 (`"nvfp4"`), which may be relative to one of the whole tensor.
 *
 * @module
 */
import { largestMagnitude } from "../../numerics/largest_magnitude.ts";
import {
  E4M3,
  exponentBits,
  fromE8m0,
  fromMinifloat,
  largestOf,
  type Minifloat,
  toMinifloat,
  toMinifloats,
} from "../../packing/minifloat.ts";
import minifloat from "../../packing/minifloat.wgsl" with { type: "text" };
import type { RowArithmetic, RowFormat } from "../../stores/row/row_format.ts";
import type { RowKernels } from "../../stores/row/row_store_gpu.ts";
import arithmetic from "./microscaling.wgsl" with { type: "text" };

const { fround } = Math;

/** How the scale of a block is found. */
export type ScaleRule = "floor" | "ceil" | "nvfp4";

/** A microscaling format. */
export interface Microscaling {
  readonly element: Minifloat;
  readonly blockEntries: number;
  readonly rule: ScaleRule;
}

/** Least scale of `"nvfp4"`: the smallest normal e4m3 value. */
const LEAST_NVFP4_SCALE = 2 ** -6;

/** Least ratio of the largest entry to 6 that `"ceil"` looks at. */
const LEAST_CEIL = fround(1e-10);

/** Largest scale of `"ceil"`: 6 times it is finite. */
const MOST_CEIL_BITS = 251;

/** Bits of 1 as a float32. */
const ONE = 0x3f800000;

/** Bits of the scale of a block. */
function scaleBits({ element, rule }: Microscaling, largest: number, constant: number): number {
  if (rule === "floor") {
    return Math.max(exponentBits(largest) - (exponentBits(largestOf(element)) - 127), 0);
  }
  const ratio = fround(largest / 6);
  if (rule === "ceil") {
    const bounded = Math.max(ratio, LEAST_CEIL);
    const exponent = exponentBits(bounded);
    return Math.min(exponent + (bounded > fromE8m0(exponent) ? 1 : 0), MOST_CEIL_BITS);
  }
  return toMinifloat(E4M3, Math.max(fround(ratio / constant), LEAST_NVFP4_SCALE));
}

/** e2m1 bits of the nearest values, ties away from zero, and no sign for zero. */
function roundUp(values: Float32Array, valueBits: Int32Array, codes: Int32Array): void {
  for (let i = 0; i < values.length; i++) {
    const bits = valueBits[i]!;
    const magnitude = bits & 0x7fffffff;
    // Below 1 steps are halves; from there on a step is the highest bit of the mantissa. Masks instead
    // of branches, which processors could not predict.
    const even = 2 * Math.abs(values[i]!) + 0.5 | 0;
    const normal = Math.min((magnitude - ONE + (1 << 21) >> 22) + 2, 7);
    const below = magnitude - ONE >> 31;
    codes[i] = even & below | normal & ~below | (bits & -magnitude) >>> 28 & 8;
  }
}

/** The arithmetic of a format's blocks. */
export function blockArithmetic(format: Microscaling): RowArithmetic {
  const { element, rule } = format;
  const width = element.signBit + 1;
  const values = Float32Array.from(
    { length: 2 ** width },
    (_, bits) => fromMinifloat(element, bits),
  );
  const scales = Float64Array.from(
    { length: 256 },
    (_, bits) => rule === "nvfp4" ? fromMinifloat(E4M3, bits) : fromE8m0(bits),
  );
  const scaleOf = (bits: number, constant: number) =>
    rule === "nvfp4" ? fround(scales[bits]! * constant) : scales[bits]!;
  const scaled = new Float32Array(format.blockEntries);
  const scaledBits = new Int32Array(scaled.buffer);
  return {
    quantize(entries, constant, codes, stored) {
      const bits = stored[0] = scaleBits(format, largestMagnitude(entries), constant);
      const scale = scaleOf(bits, constant);
      for (let i = 0; i < entries.length; i++) scaled[i] = entries[i]! / scale;
      if (rule === "ceil") roundUp(scaled, scaledBits, codes);
      else toMinifloats(element, scaled, codes);
    },
    restore(codes, [bits], constant, entries) {
      const scale = scaleOf(bits!, constant);
      for (let i = 0; i < entries.length; i++) entries[i] = values[codes[i]!]! * scale;
    },
  };
}

/** How a format's rows are stored. */
export function microscalingRows(format: Microscaling): Omit<RowFormat, "constants"> {
  return {
    blockEntries: format.blockEntries,
    codeBits: format.element.signBit + 1,
    parameterBits: [8],
    place: "apart",
    codeOrder: "stream",
    rotation: 1,
    arithmetic: blockArithmetic(format),
  };
}

const RULES = { floor: 0, ceil: 1, nvfp4: 2 } as const satisfies Record<ScaleRule, number>;

/** The WGSL that does the same. */
export function microscalingKernels(name: string, { element, rule }: Microscaling): RowKernels {
  return {
    name,
    arithmetic: minifloat + arithmetic,
    constants: {
      scale_rule: RULES[rule],
      mantissa_bits: element.mantissaBits,
      least_exponent: element.leastExponent + 127,
      most_bits: element.mostBits,
      largest_exponent: exponentBits(largestOf(element)) - 127,
    },
  };
}
