/**
 * The arithmetic of asymmetric (affine) groups, shared by every family that codes a group by its
 * smallest and largest entry: `x' = code * scale + zero`.
 *
 * jy-yuan/KIVI, quant/new_pack.py; with clipping and a scale floor cat538/SKVQ, KV_process.py.
 *
 * @module
 */
import { roundToHalf } from "./half.ts";

/** How a family turns the range of a group into scale and zero point. */
export interface AffineRule {
  /** Both ends of the range are multiplied by this; 1 leaves them. */
  readonly clipRatio: number;
  /** Smallest scale; 0 for none. */
  readonly scaleFloor: number;
  /** `"f16"` rounds to half precision after every operation, as the official code does on a GPU. */
  readonly arithmetic: "f32" | "f16";
}

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Below this, `range / scale` can exceed the top code because the scale itself is subnormal. */
const SMALLEST_PRECISE_SCALE = 2 ** -120;

/**
 * Quantizes the group `data[base], data[base + stride], …` of `count` entries. Writes its codes to
 * `codes[at], …` and its unrounded float32 scale and zero point to index `group` of `scales` and
 * `zeros`. A group of scale 0 (all entries equal) gets code 0 and the zero point alone.
 *
 * @returns false when an entry is NaN or infinite; nothing useful was written then
 */
export function quantizeGroup(
  data: Float32Array,
  base: number,
  stride: number,
  count: number,
  topCode: number,
  rule: AffineRule,
  codes: Int32Array,
  at: number,
  scales: Float32Array,
  zeros: Float32Array,
  group: number,
): boolean {
  const end = base + count * stride;
  let low = data[base]!;
  let high = low;
  // A double cannot overflow by adding float32 values, so the sum tells whether all are finite.
  let sum = 0;
  for (let i = base; i < end; i += stride) {
    const x = data[i]!;
    if (x < low) low = x;
    if (x > high) high = x;
    sum += x;
  }
  if (sum - sum !== 0) return false;
  if (rule.arithmetic === "f16") {
    quantizeInHalf(data, base, stride, end, low, high, topCode, rule, codes, at);
    scales[group] = scratch[0]!;
    zeros[group] = scratch[1]!;
    return true;
  }
  const zero = Math.fround(low * rule.clipRatio);
  const top = Math.fround(high * rule.clipRatio);
  const scale = Math.max(
    Math.fround(Math.fround(top - zero) / topCode),
    Math.fround(rule.scaleFloor),
  );
  scales[group] = scale;
  zeros[group] = zero;
  if (scale === 0 || scale === Infinity) {
    codes.fill(0, at, at + count);
    return true;
  }
  // Rounding the double product with 1 / scale to float32 gives exactly the float32 quotient: the
  // quotient of two 24-bit significands stays 2^-49 (relative) away from every float32 midpoint,
  // and the product is within 2^-52 of it.
  const inverse = 1 / scale;
  if (rule.clipRatio === 1 && scale > SMALLEST_PRECISE_SCALE) {
    for (let i = base; i < end; i += stride) {
      const steps = Math.fround(Math.fround(data[i]! - zero) * inverse);
      codes[at++] = steps + ROUND - ROUND;
    }
  } else {
    for (let i = base; i < end; i += stride) {
      let steps = Math.fround(Math.fround(data[i]! - zero) * inverse);
      if (steps < 0) steps = 0;
      if (steps > topCode) steps = topCode;
      codes[at++] = steps + ROUND - ROUND;
    }
  }
  return true;
}

const scratch = new Float32Array(2);

function quantizeInHalf(
  data: Float32Array,
  base: number,
  stride: number,
  end: number,
  low: number,
  high: number,
  topCode: number,
  rule: AffineRule,
  codes: Int32Array,
  at: number,
): void {
  const clip = rule.clipRatio;
  const zero = roundToHalf(low * clip);
  const top = roundToHalf(high * clip);
  const scale = Math.max(
    roundToHalf(roundToHalf(top - zero) / topCode),
    roundToHalf(rule.scaleFloor),
  );
  scratch[0] = scale;
  scratch[1] = zero;
  for (let i = base; i < end; i += stride) {
    if (scale === 0) {
      codes[at++] = 0;
      continue;
    }
    const steps = roundToHalf(roundToHalf(data[i]! - zero) / scale);
    codes[at++] = Math.min(Math.max(steps, 0), topCode) + ROUND - ROUND;
  }
}

/**
 * Restores `count` codes of one group to `data[base], data[base + stride], …` as
 * `code * scale + zero`.
 */
export function restoreGroup(
  codes: Int32Array,
  at: number,
  count: number,
  scale: number,
  zero: number,
  arithmetic: AffineRule["arithmetic"],
  data: Float32Array,
  base: number,
  stride: number,
): void {
  const end = base + count * stride;
  if (arithmetic === "f16") {
    for (let i = base; i < end; i += stride) {
      data[i] = roundToHalf(roundToHalf(codes[at++]! * scale) + zero);
    }
  } else {
    for (let i = base; i < end; i += stride) {
      data[i] = Math.fround(codes[at++]! * scale) + zero;
    }
  }
}
