/**
 * The search of HQQ for better zero points: it alternates between a sparse error, found by shrinking
 * what quantization leaves over, and the zero point that fits the rest.
 *
 * Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models" (2023);
 * mobiusml/hqq, hqq/core/optimize.py, optimize_weights_proximal_legacy, with its defaults p = 0.7 and
 * a beta of 10 that is never updated.
 *
 * The official round is, with `s` steps per unit of value and zero point `z` in steps,
 *
 *     q = clamp(round(x s + z));  e = x - (q - z) / s;  E = sign(e) max(|e| - |e|^-0.3 / 10, 0)
 *     z = mean(q - (x - E) s)
 *
 * In steps, with `d = x s + z - q = e s`, that is `z -= mean(d - E s)`, and
 * `d - E s = sign(d) min(|d|, r |d|^-0.3)` with `r = s^1.3 / 10`, which needs half the arithmetic.
 *
 * @module
 */
import type { GroupSums } from "./hqq_group.ts";
import { HqqRounds } from "./hqq_round.ts";
import type { FittedBlock } from "../../stores/block/block_arithmetic.ts";

/** Most rounds of the search. */
export const HQQ_ROUNDS = 20;

/** A zero point that moves less, in steps, has arrived; an f16 cannot tell the difference. */
const ARRIVED = 1e-6;

/**
 * Improves the zero points (`constants`, in code units) of all groups of a block. The search ends for
 * all of them as soon as the error over the whole block is not below the best so far, so the result
 * of a group depends on what is quantized together with it; the last update counts all the same.
 */
export function searchZeroPoints(block: FittedBlock): void {
  const { layout: { groups, groupSize }, constants, zeros, multipliers } = block;
  // Powers are dear, and these stay the same in all rounds.
  const reaches = multipliers.map((steps) => steps ** 1.3 / 10);
  // Where d = reach d^-0.3: up to there the sparse error is 0.
  const sparse = reaches.map((reach) => reach ** (1 / 1.3));
  const rounds = new HqqRounds(inSteps(block), groupSize, reaches, sparse, topCodes(block));
  rounds.zeros.set(constants);
  const errors = new Float64Array(groups);
  // A range beyond float32 has no steps; its values all become 0.
  const arrived = Uint8Array.from(multipliers, (steps) => steps === 0 ? 1 : 0);
  let best = Infinity;
  for (let round = 0; round < HQQ_ROUNDS; round++) {
    const error = improve(block, rounds, errors, arrived);
    if (!(error < best)) break;
    best = error;
  }
  constants.set(rounds.zeros);
  zeros.set(constants);
}

/** Every entry times the steps of its group, group after group. */
function inSteps({ layout, data, places, multipliers }: FittedBlock): Float32Array {
  const { groups, groupSize, segments } = layout;
  const entries = new Float32Array(groups * groupSize);
  let at = 0;
  segments.forEach(({ groups, firstGroup }, segment) => {
    const { start, stride } = places[segment]!;
    for (let k = 0; k < groups; k++) {
      const multiplier = multipliers[firstGroup + k]!;
      const from = start(k);
      for (let i = from, stop = from + groupSize * stride; i < stop; i += stride) {
        entries[at++] = data[i]! * multiplier;
      }
    }
  });
  return entries;
}

/** The largest code of every group. */
function topCodes({ layout: { groups, segments } }: FittedBlock): Uint16Array {
  const tops = new Uint16Array(groups);
  for (const { groups, firstGroup, bits } of segments) {
    tops.fill(2 ** bits - 1, firstGroup, firstGroup + groups);
  }
  return tops;
}

/**
 * One round over all groups that have not arrived; returns the sum of absolute errors before it.
 *
 * @param errors every group's sum of absolute errors
 */
function improve(
  { layout: { groupSize }, multipliers }: FittedBlock,
  rounds: HqqRounds,
  errors: Float64Array,
  arrived: Uint8Array,
): number {
  const { zeros } = rounds;
  const sums: GroupSums = { distance: 0, change: 0 };
  let total = 0;
  rounds.measure(arrived);
  for (let group = 0; group < errors.length; group++) {
    if (arrived[group] === 0) {
      rounds.sums(group, sums);
      const change = sums.change / groupSize;
      zeros[group] = zeros[group]! - change;
      errors[group] = sums.distance / multipliers[group]!;
      if (Math.abs(change) < ARRIVED) arrived[group] = 1;
    }
    total += errors[group]!;
  }
  return total;
}
