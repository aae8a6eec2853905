/**
 * The arithmetic of asymmetric (affine) groups, shared by every family that codes a group by its
 * smallest and largest entry: `x' = code * scale + zero`.
 *
 * jy-yuan/KIVI, quant/new_pack.py; with clipping and a scale floor cat538/SKVQ, KV_process.py.
 *
 * These functions handle one number at a time and define the results. `affine_quantize.ts` and
 * `affine_restore.ts` compute the same for whole blocks of a tensor.
 *
 * @module
 */
import { roundToHalf } from "../../packing/half.ts";

/** How a family turns the range of a group into scale and zero point. */
export interface AffineRule {
  /** Both ends of the range are multiplied by this; 1 leaves them. */
  readonly clipRatio: number;
  /** Smallest scale; 0 for none. */
  readonly scaleFloor: number;
  /** `"f16"` rounds to half precision after every operation, as the official code does on a GPU. */
  readonly arithmetic: "f32" | "f16";
}

/** Zero point of a group whose smallest entry is `low`, before it is rounded for storage. */
export function zeroOf(low: number, rule: AffineRule): number {
  const round = rule.arithmetic === "f16" ? roundToHalf : Math.fround;
  return round(low * Math.fround(rule.clipRatio));
}

/** Scale of a group with zero point `zero` and largest entry `high`, before it is rounded. */
export function scaleOf(zero: number, high: number, topCode: number, rule: AffineRule): number {
  const round = rule.arithmetic === "f16" ? roundToHalf : Math.fround;
  const range = round(round(high * Math.fround(rule.clipRatio)) - zero);
  return Math.max(round(range / topCode), round(rule.scaleFloor));
}

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/**
 * Code of the entry `x` of a group, `0 .. topCode`. All codes of a group of scale 0 are 0: its
 * entries are equal, and its zero point restores them.
 */
export function codeOf(
  x: number,
  scale: number,
  zero: number,
  topCode: number,
  arithmetic: AffineRule["arithmetic"],
): number {
  if (scale === 0 || scale === Infinity) return 0;
  const round = arithmetic === "f16" ? roundToHalf : Math.fround;
  const steps = round(round(x - zero) / scale);
  return Math.min(Math.max(steps, 0), topCode) + ROUND - ROUND;
}

/** The value a code stands for, with the stored scale and zero point. */
export function valueOf(
  code: number,
  scale: number,
  zero: number,
  arithmetic: AffineRule["arithmetic"],
): number {
  const round = arithmetic === "f16" ? roundToHalf : Math.fround;
  return round(round(code * scale) + zero);
}
