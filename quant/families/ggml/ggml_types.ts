/**
 * The types of ggml that llama.cpp takes for its cache, and their arithmetic.
 *
 * ggml-org/llama.cpp, ggml/src/ggml-quants.c (quantize_row_*_ref, dequantize_row_*) and
 * ggml/src/ggml-common.h (block_*). Codes are made with the unrounded scale, and restored with the one
 * that is stored, a float16. Rounding is to the nearest, halves away from zero for q8_0 and up for the
 * others.
 *
 * @module
 */
import { bfloat16Bits, fromBfloat16Bits } from "../../packing/bfloat16.ts";
import { largestMagnitude } from "../../numerics/largest_magnitude.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import type { RowArithmetic } from "../../stores/row/row_format.ts";

const { fround } = Math;

/** Names of the types, as `--cache-type-k` and `--cache-type-v` take them. */
export type GgmlTypeName = "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";

/** A type of ggml. */
export interface GgmlType {
  /** Width of a code. */
  readonly bits: number;
  /** Number in the WGSL (`ggml_type` in ggml.wgsl). */
  readonly number: number;
  /** Entries of a block; absent where every entry is coded by itself. */
  readonly block?: number;
  /** Float16 numbers of a block: scale, and perhaps the least entry. */
  readonly numbers: 0 | 1 | 2;
  readonly codeOrder: "stream" | "halves";
  readonly arithmetic: RowArithmetic;
}

/** 1 / d, or 0 where there is no scale. */
function inverse(d: number): number {
  const inverted = fround(1 / d);
  return Number.isFinite(inverted) && Number.isFinite(d) ? inverted : 0;
}

/** An entry of largest magnitude, the first of them. */
function largest(entries: Float32Array): number {
  const most = largestMagnitude(entries);
  let i = 0;
  while (Math.abs(entries[i]!) < most) i++;
  return most === 0 ? 0 : entries[i]!;
}

/** Signed levels around zero: q4_0 and q5_0. */
function centred(levels: number): RowArithmetic {
  const half = levels / 2;
  return {
    quantize(entries, _, codes, stored) {
      const d = fround(largest(entries) / -half);
      const id = inverse(d);
      stored[0] = toHalfBits(d);
      for (let i = 0; i < entries.length; i++) {
        const level = fround(fround(entries[i]! * id) + half + 0.5) | 0;
        codes[i] = Math.min(Math.max(level, 0), levels - 1);
      }
    },
    restore(codes, [stored], _, entries) {
      const d = fromHalfBits(stored!);
      for (let i = 0; i < entries.length; i++) entries[i] = (codes[i]! - half) * d;
    },
  };
}

/** Levels from the least entry to the largest: q4_1 and q5_1. */
function ranged(levels: number): RowArithmetic {
  const top = levels - 1;
  return {
    quantize(entries, _, codes, stored) {
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < entries.length; i++) {
        // Of zeros of both signs the first stays, as there.
        if (entries[i]! < low) low = entries[i]!;
        if (entries[i]! > high) high = entries[i]!;
      }
      const d = fround(fround(high - low) / top);
      const id = inverse(d);
      stored[0] = toHalfBits(d);
      stored[1] = toHalfBits(low);
      for (let i = 0; i < entries.length; i++) {
        const level = fround(fround(fround(entries[i]! - low) * id) + 0.5) | 0;
        codes[i] = Math.min(level, top);
      }
    },
    restore(codes, [scale, least], _, entries) {
      const d = fromHalfBits(scale!);
      const low = fromHalfBits(least!);
      for (let i = 0; i < entries.length; i++) entries[i] = fround(codes[i]! * d) + low;
    },
  };
}

const scaled = new Float32Array(1);
const scaledBits = new Int32Array(scaled.buffer);

const Q8_0: RowArithmetic = {
  quantize(entries, _, codes, stored) {
    const d = fround(largestMagnitude(entries) / 127);
    const id = inverse(d);
    stored[0] = toHalfBits(d);
    for (let i = 0; i < entries.length; i++) {
      const x = scaled[0] = entries[i]! * id;
      // Doubles hold the half more, so that cutting off rounds halves up; then the sign.
      const level = Math.abs(fround(x)) + 0.5 | 0;
      const negative = scaledBits[0]! >> 31;
      codes[i] = (level ^ negative) - negative & 0xff;
    }
  },
  restore(codes, [stored], _, entries) {
    const d = fromHalfBits(stored!);
    for (let i = 0; i < entries.length; i++) entries[i] = (codes[i]! << 24 >> 24) * d;
  },
};

/** What the codes of iq4_nl stand for, in scales. */
const IQ4_NL_LEVELS: readonly number[] = [
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
];

/** A block whose largest magnitude is below this is all zero. */
const LEAST_IQ4_NL = fround(1e-15);

/** The nearest level, the higher of two that are as near. */
function nearestLevel(x: number): number {
  const levels = IQ4_NL_LEVELS;
  if (x <= levels[0]!) return 0;
  let above = 1;
  while (above < levels.length && x >= levels[above]!) above++;
  if (above === levels.length) return above - 1;
  const below = levels[above - 1]!;
  return fround(x - below) < fround(levels[above]! - x) ? above - 1 : above;
}

/**
 * Fixed levels. Codes are made with the scale that takes the largest magnitude to the first level; the
 * one that is stored has the least error for them, entries weighed by their squares. That is the rule
 * for tensors that are quantized as they are made (quantize_row_iq4_nl_ref); for the weights of a file
 * ggml tries several scales.
 */
const IQ4_NL: RowArithmetic = {
  quantize(entries, _, codes, stored) {
    const most = largest(entries);
    codes.fill(0);
    stored[0] = 0;
    if (Math.abs(most) < LEAST_IQ4_NL) return;
    const id = inverse(fround(most / IQ4_NL_LEVELS[0]!));
    let [products, squares] = [0, 0];
    for (let i = 0; i < entries.length; i++) {
      const x = entries[i]!;
      const code = codes[i] = nearestLevel(fround(id * x));
      const level = IQ4_NL_LEVELS[code]!;
      const weighed = fround(fround(x * x) * level);
      products = fround(products + fround(weighed * x));
      squares = fround(squares + fround(weighed * level));
    }
    const scale = fround(products / squares);
    stored[0] = Number.isFinite(scale) ? toHalfBits(scale) : 0;
  },
  restore(codes, [stored], _, entries) {
    const d = fromHalfBits(stored!);
    for (let i = 0; i < entries.length; i++) entries[i] = IQ4_NL_LEVELS[codes[i]!]! * d;
  },
};

/** Every entry by itself, in 16 bits. */
function float16(toBits: (x: number) => number, fromBits: (bits: number) => number): RowArithmetic {
  return {
    quantize(entries, _, codes) {
      for (let i = 0; i < entries.length; i++) codes[i] = toBits(entries[i]!);
    },
    restore(codes, _stored, _, entries) {
      for (let i = 0; i < entries.length; i++) entries[i] = fromBits(codes[i]!);
    },
  };
}

/** The types by name. */
export const GGML_TYPES: Readonly<Record<GgmlTypeName, GgmlType>> = {
  f16: {
    bits: 16,
    number: 0,
    numbers: 0,
    codeOrder: "stream",
    arithmetic: float16(toHalfBits, fromHalfBits),
  },
  bf16: {
    bits: 16,
    number: 1,
    numbers: 0,
    codeOrder: "stream",
    arithmetic: float16(bfloat16Bits, fromBfloat16Bits),
  },
  q8_0: { bits: 8, number: 2, block: 32, numbers: 1, codeOrder: "stream", arithmetic: Q8_0 },
  q5_1: { bits: 5, number: 3, block: 32, numbers: 2, codeOrder: "halves", arithmetic: ranged(32) },
  q5_0: { bits: 5, number: 4, block: 32, numbers: 1, codeOrder: "halves", arithmetic: centred(32) },
  q4_1: { bits: 4, number: 5, block: 32, numbers: 2, codeOrder: "halves", arithmetic: ranged(16) },
  q4_0: { bits: 4, number: 6, block: 32, numbers: 1, codeOrder: "halves", arithmetic: centred(16) },
  iq4_nl: { bits: 4, number: 7, block: 32, numbers: 1, codeOrder: "halves", arithmetic: IQ4_NL },
};
