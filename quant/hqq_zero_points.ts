/**
 * The search of HQQ for better zero points: it alternates between a sparse error, found by shrinking
 * what quantization leaves over, and the zero point that fits the rest.
 *
 * Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models" (2023);
 * mobiusml/hqq, hqq/core/optimize.py, optimize_weights_proximal_legacy, with its defaults p = 0.7 and
 * a beta of 10 that is never updated.
 *
 * @module
 */
import type { FittedBlock } from "./block_arithmetic.ts";

/** Most rounds of the search. */
export const HQQ_ROUNDS = 20;

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Errors up to this shrink to 0: where `e = e^-0.3 / 10`. */
const SHRINKS_TO_ZERO = 0.1 ** (1 / 1.3);

/** Mantissas are looked up by their first bits. */
const TABLE_BITS = 10;
const mantissas = Float64Array.from(
  { length: (1 << TABLE_BITS) + 1 },
  (_, i) => (1 + i / (1 << TABLE_BITS)) ** -0.3,
);
/** A tenth of `(2^k)^-0.3` for biased exponents `k`. */
const exponents = Float64Array.from({ length: 256 }, (_, k) => 2 ** ((k - 127) * -0.3) / 10);

const lone = new Float32Array(1);
const loneBits = new Int32Array(lone.buffer);
const REST = 2 ** (TABLE_BITS - 23);

/**
 * `e^-0.3 / 10` for positive normal `e`, with a relative error below 1e-7: by far the most expensive
 * part of the search when it is left to `Math.pow`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { shrinkage } from "./hqq_zero_points.ts";
 *
 * assertAlmostEquals(shrinkage(0.37), 0.37 ** -0.3 / 10, 1e-8);
 * ```
 */
export function shrinkage(e: number): number {
  lone[0] = e;
  const bits = loneBits[0]!;
  const mantissa = bits & 0x7fffff;
  const index = mantissa >> (23 - TABLE_BITS);
  const low = mantissas[index]!;
  const rest = (mantissa & ((1 << (23 - TABLE_BITS)) - 1)) * REST;
  return exponents[bits >>> 23]! * (low + (mantissas[index + 1]! - low) * rest);
}

/**
 * Improves the zero points (`constants`, in code units) of all groups of a block. The search ends for
 * all of them as soon as the error over the whole block is not below the best so far, so the result
 * of a group depends on what is quantized together with it; the last update counts all the same.
 */
export function searchZeroPoints(block: FittedBlock): void {
  const { layout, constants, zeros } = block;
  let best = Infinity;
  for (let round = 0; round < HQQ_ROUNDS; round++) {
    let error = 0;
    for (let segment = 0; segment < layout.segments.length; segment++) {
      error += improveSegment(block, segment);
    }
    if (!(error < best)) break;
    best = error;
  }
  zeros.set(constants);
}

/** One round over a segment; returns the sum of absolute errors before it. */
function improveSegment(block: FittedBlock, index: number): number {
  const { layout, data, multipliers, constants } = block;
  const { groupSize } = layout;
  const { groups, firstGroup, bits } = layout.segments[index]!;
  const { start, stride } = block.places[index]!;
  const topCode = 2 ** bits - 1;
  const span = groupSize * stride;
  let total = 0;
  for (let k = 0; k < groups; k++) {
    const group = firstGroup + k;
    const steps = multipliers[group]!;
    // A range beyond float32 has no steps; its values all become 0.
    if (steps === 0) continue;
    const zero = constants[group]!;
    const scale = 1 / steps;
    const from = start(k);
    let fitting = 0;
    for (let i = from, stop = from + span; i < stop; i += stride) {
      const x = data[i]!;
      const target = x * steps;
      const rounded = target + zero + ROUND - ROUND;
      const code = rounded < 0 ? 0 : rounded > topCode ? topCode : rounded;
      const error = x - (code - zero) * scale;
      const size = Math.abs(error);
      total += size;
      fitting += code - target;
      if (size > SHRINKS_TO_ZERO) {
        const sparse = size - shrinkage(size);
        fitting += (error < 0 ? -sparse : sparse) * steps;
      }
    }
    constants[group] = fitting / groupSize;
  }
  return total;
}
