/**
 * HIGGS, the quantizer of what is left over: channels are rotated by a Hadamard matrix, divided by their
 * root mean square, and pairs of them take the nearest of the points that lose least of normal numbers.
 *
 * Malinovskii et al., "Pushing the Limits of Large Language Model Quantization via the Linearity
 * Theorem", arXiv 2411.17525 (HIGGS); goodevening13/aquakv, aquakv/quantizers.py, HiggsQuantizer, whose
 * scale is the norm and whose matrix is not normalized: the same numbers.
 *
 * @module
 */
import { gaussianPairs } from "../../numerics/gaussian_pairs.ts";
import { PairFinder } from "../../numerics/pair_finder.ts";
import { hadamardRows } from "../../numerics/hadamard_rows.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";

/** How vectors are quantized. */
export interface HiggsShape {
  readonly channels: number;
  /** Channels that are rotated together: a power of two of at least 4 that divides them. */
  readonly hadamardSize: number;
  /** Bits an entry; 16 for two halves in a code, with nothing rotated. */
  readonly bits: number;
}

/**
 * Quantizes vectors.
 *
 * @param rows `[count][channels]`, overwritten
 * @param codes `[count][channels / 2]`
 * @param scales half-precision bits, `[count][channels / hadamardSize]`
 */
export function encodeHiggs(
  rows: Float32Array,
  count: number,
  { channels, hadamardSize, bits }: HiggsShape,
  codes: Int32Array,
  scales: Uint16Array,
): void {
  if (bits === 16) {
    for (let i = 0, at = 0; at < count * channels; i++, at += 2) {
      codes[i] = toHalfBits(rows[at]!) | toHalfBits(rows[at + 1]!) << 16;
    }
    return;
  }
  const finder = finderOf(bits);
  const groups = count * channels / hadamardSize;
  hadamardRows(rows, groups, hadamardSize);
  for (let g = 0, at = 0; g < groups; g++) {
    const end = at + hadamardSize;
    let square = 0;
    for (let i = at; i < end; i++) square += rows[i]! * rows[i]!;
    const scale = Math.sqrt(square / hadamardSize);
    scales[g] = toHalfBits(scale);
    const inverse = scale > 0 ? 1 / scale : 0;
    finder.find(rows, at, end, inverse, codes);
    at = end;
  }
}

const finders = new Map<number, PairFinder>();

function finderOf(bits: number): PairFinder {
  let finder = finders.get(bits);
  if (finder === undefined) finders.set(bits, finder = new PairFinder(gaussianPairs(bits)));
  return finder;
}

/** Restores vectors to `rows`, `[count][channels]`. */
export function decodeHiggs(
  codes: Int32Array,
  scales: Uint16Array,
  count: number,
  { channels, hadamardSize, bits }: HiggsShape,
  rows: Float32Array,
): void {
  if (bits === 16) {
    for (let i = 0, at = 0; at < count * channels; i++, at += 2) {
      rows[at] = fromHalfBits(codes[i]! & 0xffff);
      rows[at + 1] = fromHalfBits(codes[i]! >>> 16);
    }
    return;
  }
  const points = gaussianPairs(bits);
  const groups = count * channels / hadamardSize;
  for (let g = 0, at = 0; g < groups; g++) {
    const scale = fromHalfBits(scales[g]!);
    for (const end = at + hadamardSize; at < end; at += 2) {
      const code = codes[at / 2]!;
      rows[at] = points[2 * code]! * scale;
      rows[at + 1] = points[2 * code + 1]! * scale;
    }
  }
  hadamardRows(rows, groups, hadamardSize);
}
