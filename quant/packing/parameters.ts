/**
 * Scale and zero point of a group, stored together: the same words on the CPU and on a GPU.
 *
 * - `"f16"`: one word per group, scale in the low half, zero in the high half;
 * - `"f32"`: two words per group, scale then zero;
 * - `"fp8"` (e4m3fn): half a word per group, scale then zero, even groups in the low half.
 *
 * @module
 */
import { fromFloat8Bits, toFloat8Bits } from "./float8.ts";
import { HALF_MAX } from "./half.ts";

/** Precision in which a scale and a zero point are stored. */
export type ParameterType = "f16" | "f32" | "fp8";

/** Bits that one scale or zero point takes. */
export const PARAMETER_BITS = { f16: 16, f32: 32, fp8: 8 } as const satisfies Record<
  ParameterType,
  number
>;

/** Number of each precision in the WGSL (`parameter_type` in pack.wgsl). */
export const PARAMETER_TYPES = { f16: 0, f32: 1, fp8: 2 } as const satisfies Record<
  ParameterType,
  number
>;

/** Words that the scales and zero points of `groups` groups take. */
export function parameterWords(type: ParameterType, groups: number): number {
  return Math.ceil(groups * 2 * PARAMETER_BITS[type] / 32);
}

const float8Values = Float32Array.from({ length: 256 }, (_, bits) => fromFloat8Bits(bits));
const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

function saturate(x: number): number {
  return x > HALF_MAX ? HALF_MAX : x < -HALF_MAX ? -HALF_MAX : x;
}

/**
 * Stores `count` pairs as the groups `first, first + 1, …` of `words`, rounding to the nearest
 * representable value (ties to even, saturating at the largest finite one). A group may be written
 * once; the words start as zeros.
 */
export function storeParameters(
  type: ParameterType,
  scale: Float32Array,
  zero: Float32Array,
  count: number,
  words: Uint32Array,
  first: number,
): void {
  if (type === "f16") {
    const halves = new Float16Array(words.buffer, words.byteOffset + 4 * first, 2 * count);
    for (let i = 0; i < count; i++) {
      halves[2 * i] = saturate(scale[i]!);
      halves[2 * i + 1] = saturate(zero[i]!);
    }
  } else if (type === "f32") {
    for (let i = 0; i < count; i++) {
      floats[0] = scale[i]!;
      words[2 * (first + i)] = floatBits[0]!;
      floats[0] = zero[i]!;
      words[2 * (first + i) + 1] = floatBits[0]!;
    }
  } else {
    for (let i = 0; i < count; i++) {
      const pair = toFloat8Bits(scale[i]!) | (toFloat8Bits(zero[i]!) << 8);
      const group = first + i;
      words[group >>> 1] = words[group >>> 1]! | (pair << ((group & 1) * 16));
    }
  }
}

/** Reads back the pairs of the groups `first .. first + count - 1` as float32 values. */
export function loadParameters(
  type: ParameterType,
  words: Uint32Array,
  first: number,
  count: number,
  scale: Float32Array,
  zero: Float32Array,
): void {
  if (type === "f16") {
    const halves = new Float16Array(words.buffer, words.byteOffset + 4 * first, 2 * count);
    for (let i = 0; i < count; i++) {
      scale[i] = halves[2 * i]!;
      zero[i] = halves[2 * i + 1]!;
    }
  } else if (type === "f32") {
    for (let i = 0; i < count; i++) {
      floatBits[0] = words[2 * (first + i)]!;
      scale[i] = floats[0]!;
      floatBits[0] = words[2 * (first + i) + 1]!;
      zero[i] = floats[0]!;
    }
  } else {
    for (let i = 0; i < count; i++) {
      const group = first + i;
      const pair = words[group >>> 1]! >>> ((group & 1) * 16);
      scale[i] = float8Values[pair & 0xff]!;
      zero[i] = float8Values[(pair >>> 8) & 0xff]!;
    }
  }
}
