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
import type { FittedBlock } from "../../stores/block/block_arithmetic.ts";

/** Most rounds of the search. */
export const HQQ_ROUNDS = 20;

/** A zero point that moves less, in steps, has arrived; an f16 cannot tell the difference. */
const ARRIVED = 1e-6;

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Entries per unit of the table of `sign(d) |d|^-0.3` for `-1/2 <= d <= 1/2`. */
const TABLE_STEPS = 8192;
const TABLE_MIDDLE = TABLE_STEPS / 2;

/** From here on linear interpolation in the table is good to 5e-5. */
const TABLE_FROM = 1 / 256;

function signedPower(d: number): number {
  return Math.sign(d) * Math.abs(d) ** -0.3;
}

/** Value at the lower end of each step, and growth over it; flat where the ends differ in sign. */
const powers = new Float64Array(TABLE_STEPS + 1);
const growths = new Float64Array(TABLE_STEPS + 1);
const halfSigns = new Float64Array(TABLE_STEPS + 1);
for (let i = 0; i <= TABLE_STEPS; i++) {
  const [from, to] = [(i - TABLE_MIDDLE) / TABLE_STEPS, (i + 1 - TABLE_MIDDLE) / TABLE_STEPS];
  const innermost = from === 0 ? to : from;
  powers[i] = signedPower(innermost);
  growths[i] = from === 0 || to === 0 ? 0 : signedPower(to) - signedPower(from);
  halfSigns[i] = Math.sign(innermost) / 2;
}

/**
 * Improves the zero points (`constants`, in code units) of all groups of a block. The search ends for
 * all of them as soon as the error over the whole block is not below the best so far, so the result
 * of a group depends on what is quantized together with it; the last update counts all the same.
 */
export function searchZeroPoints(block: FittedBlock): void {
  const { constants, zeros } = block;
  const entries = entriesInSteps(block);
  const errors = new Float64Array(block.layout.groups);
  const arrived = new Uint8Array(block.layout.groups);
  // Powers are dear, and these stay the same in all rounds.
  const reaches = block.multipliers.map((steps) => steps ** 1.3 / 10);
  // Where d = reach d^-0.3: up to there the sparse error is 0.
  const sparse = reaches.map((reach) => reach ** (1 / 1.3));
  let best = Infinity;
  for (let round = 0; round < HQQ_ROUNDS; round++) {
    const error = improve(block, entries, errors, arrived, reaches, sparse);
    if (!(error < best)) break;
    best = error;
  }
  zeros.set(constants);
}

/** Every entry times the steps of its group, group after group. */
function entriesInSteps({ layout, data, places, multipliers }: FittedBlock): Float32Array {
  const { groupSize, groups, segments } = layout;
  const out = new Float32Array(groups * groupSize);
  let at = 0;
  segments.forEach(({ groups: count, firstGroup }, segment) => {
    const { start, stride } = places[segment]!;
    for (let k = 0; k < count; k++) {
      const multiplier = multipliers[firstGroup + k]!;
      const from = start(k);
      for (let i = from, stop = from + groupSize * stride; i < stop; i += stride) {
        out[at++] = data[i]! * multiplier;
      }
    }
  });
  return out;
}

/**
 * One round over all groups that have not arrived; returns the sum of absolute errors before it.
 *
 * @param errors every group's sum of absolute errors
 */
function improve(
  { layout, multipliers, constants }: FittedBlock,
  entries: Float32Array,
  errors: Float64Array,
  arrived: Uint8Array,
  reaches: Float64Array,
  sparse: Float64Array,
): number {
  const { groupSize, segments } = layout;
  let total = 0;
  for (const { groups, firstGroup, bits } of segments) {
    const topCode = 2 ** bits - 1;
    for (let group = firstGroup; group < firstGroup + groups; group++) {
      const steps = multipliers[group]!;
      // A range beyond float32 has no steps; its values all become 0.
      if (steps === 0) continue;
      if (arrived[group] === 1) {
        total += errors[group]!;
        continue;
      }
      const reach = reaches[group]!;
      const sparseFrom = sparse[group]!;
      const from = group * groupSize;
      const zero = constants[group]!;
      const sum = sparseFrom < 0.5 && sparseFrom >= TABLE_FROM
        ? byTable(entries, from, from + groupSize, zero, topCode, reach)
        : byPower(entries, from, from + groupSize, zero, topCode, reach, sparseFrom);
      const change = sum / groupSize;
      constants[group] = zero - change;
      errors[group] = distance / steps;
      total += distance / steps;
      if (Math.abs(change) < ARRIVED) arrived[group] = 1;
    }
  }
  return total;
}

/** Sum of `|d|` over the group that was looked at last. */
let distance = 0;

/** Sum of `d - E s`, for groups of which next to all entries are below `sparseFrom`, or above. */
function byPower(
  entries: Float32Array,
  from: number,
  to: number,
  zero: number,
  topCode: number,
  reach: number,
  sparseFrom: number,
): number {
  let sum = 0;
  let change = 0;
  for (let i = from; i < to; i++) {
    const position = entries[i]! + zero;
    const rounded = position + ROUND - ROUND;
    const d = position - (rounded < 0 ? 0 : rounded > topCode ? topCode : rounded);
    const size = Math.abs(d);
    sum += size;
    change += size > sparseFrom ? Math.sign(d) * reach * size ** -0.3 : d;
  }
  distance = sum;
  return change;
}

/** The same for all others, without branches, as these could not be predicted. */
function byTable(
  entries: Float32Array,
  from: number,
  to: number,
  zero: number,
  topCode: number,
  reach: number,
): number {
  let sum = 0;
  let change = 0;
  for (let i = from; i < to; i++) {
    const position = entries[i]! + zero;
    const rounded = position + ROUND - ROUND;
    const d = position - (rounded < 0 ? 0 : rounded > topCode ? topCode : rounded);
    const size = Math.abs(d);
    sum += size;
    if (size > 0.5) {
      // Clamped, and therefore beyond the table.
      change += Math.sign(d) * Math.min(size, reach * size ** -0.3);
      continue;
    }
    const at = d * TABLE_STEPS + TABLE_MIDDLE;
    const index = at | 0;
    const limit = reach * (powers[index]! + growths[index]! * (at - index));
    // sign(d) min(|d|, |limit|), where limit has the sign of d.
    change += 0.5 * (d + limit) - halfSigns[index]! * Math.abs(size - Math.abs(limit));
  }
  distance = sum;
  return change;
}
