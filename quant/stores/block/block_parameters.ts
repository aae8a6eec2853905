/**
 * How the parameters of a block's groups are stored: the same words on the CPU and on a GPU.
 *
 * - `"f16_pair"`: one word per group, scale in the low half, zero in the high half, both f16;
 * - `"f32_pair"`: two words per group, scale then zero;
 * - `"f16_i16"`: one word per group, an f16 scale in the low half and a zero point in steps, a 16-bit
 *   integer, in the high half;
 * - `"f16_scale"`: half a word per group, even groups in the low half;
 * - `"f32_scale"`: one word per group.
 *
 * @module
 */
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";

/** A storage format of group parameters. */
export type BlockFormat = "f16_pair" | "f32_pair" | "f16_i16" | "f16_scale" | "f32_scale";

/** Number of each format in the WGSL (`parameter_format` in block.wgsl). */
export const BLOCK_FORMATS = {
  f16_pair: 0,
  f32_pair: 1,
  f16_i16: 2,
  f16_scale: 3,
  f32_scale: 4,
} as const satisfies Record<BlockFormat, number>;

/** Bits that one group's parameters take. */
const FORMAT_BITS = {
  f16_pair: 32,
  f32_pair: 64,
  f16_i16: 32,
  f16_scale: 16,
  f32_scale: 32,
} as const satisfies Record<BlockFormat, number>;

/** Role of the buffer, for accounting. */
export function parameterRole(format: BlockFormat): "scale" | "scale_zero" {
  return format === "f16_scale" || format === "f32_scale" ? "scale" : "scale_zero";
}

/** Words that the parameters of `groups` groups take. */
export function blockParameterWords(format: BlockFormat, groups: number): number {
  return Math.ceil(groups * FORMAT_BITS[format] / 32);
}

/** Largest magnitude of a zero point in steps. */
export const MOST_STEPS = 32767;

/**
 * Stores the parameters of all groups, rounding to the nearest representable value (ties to even,
 * saturating). Zero points in steps are integers of at most `MOST_STEPS`.
 */
export function storeBlockParameters(
  format: BlockFormat,
  scale: Float32Array,
  zero: Float32Array,
  words: Uint32Array,
): void {
  const groups = scale.length;
  if (format === "f16_pair") {
    for (let i = 0; i < groups; i++) {
      words[i] = toHalfBits(scale[i]!) | (toHalfBits(zero[i]!) << 16);
    }
  } else if (format === "f16_i16") {
    for (let i = 0; i < groups; i++) words[i] = toHalfBits(scale[i]!) | (zero[i]! << 16);
  } else if (format === "f16_scale") {
    for (let i = 0; i < groups; i++) words[i >>> 1]! |= toHalfBits(scale[i]!) << ((i & 1) * 16);
  } else {
    const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
    const step = format === "f32_pair" ? 2 : 1;
    for (let i = 0; i < groups; i++) floats[i * step] = scale[i]!;
    if (step === 2) { for (let i = 0; i < groups; i++) floats[i * 2 + 1] = zero[i]!; }
  }
}

/** Reads all groups' parameters back; formats without zero points give 0. */
export function loadBlockParameters(
  format: BlockFormat,
  words: Uint32Array,
  scale: Float32Array,
  zero: Float32Array,
): void {
  const groups = scale.length;
  if (format === "f16_pair") {
    for (let i = 0; i < groups; i++) {
      const word = words[i]!;
      scale[i] = fromHalfBits(word & 0xffff);
      zero[i] = fromHalfBits(word >>> 16);
    }
  } else if (format === "f16_i16") {
    for (let i = 0; i < groups; i++) {
      const word = words[i]!;
      scale[i] = fromHalfBits(word & 0xffff);
      zero[i] = (word | 0) >> 16;
    }
  } else if (format === "f16_scale") {
    for (let i = 0; i < groups; i++) {
      scale[i] = fromHalfBits((words[i >>> 1]! >>> ((i & 1) * 16)) & 0xffff);
      zero[i] = 0;
    }
  } else {
    const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
    const step = format === "f32_pair" ? 2 : 1;
    for (let i = 0; i < groups; i++) {
      scale[i] = floats[i * step]!;
      zero[i] = step === 2 ? floats[i * 2 + 1]! : 0;
    }
  }
}
