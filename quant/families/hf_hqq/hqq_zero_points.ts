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
import { HqqRounds } from "./hqq_round.ts";
import type { FittedBlock } from "../../stores/block/block_arithmetic.ts";

/** Most rounds of the search. */
export const HQQ_ROUNDS = 20;

/**
 * Improves the zero points (`constants`, in code units) of all groups of a block. The search ends for
 * all of them as soon as the error over the whole block is not below the best so far, so the result
 * of a group depends on what is quantized together with it; the last update counts all the same.
 */
export function searchZeroPoints(block: FittedBlock): void {
  const { layout: { groupSize }, constants, zeros, multipliers } = block;
  // Powers are dear, and these stay the same in all rounds.
  const reaches = multipliers.map((steps) => steps ** 1.3 / 10);
  // Where d = reach d^-0.3: up to there the sparse error is 0.
  const sparse = reaches.map((reach) => reach ** (1 / 1.3));
  const groups = {
    steps: multipliers,
    reaches,
    sparse,
    topCodes: topCodes(block),
    zeros: constants,
  };
  const rounds = new HqqRounds(groups, groupSize, (entries) => gather(block, entries));
  let best = Infinity;
  for (let round = 0; round < HQQ_ROUNDS; round++) {
    const error = rounds.move();
    if (!(error < best)) break;
    best = error;
  }
  constants.set(rounds.zeros());
  zeros.set(constants);
}

/** Every entry, group after group. */
function gather({ layout, data, places }: FittedBlock, entries: Float32Array): void {
  const { groupSize, segments } = layout;
  let at = 0;
  segments.forEach(({ groups }, segment) => {
    const { start, stride } = places[segment]!;
    if (groups === 0) return;
    const count = groups * groupSize;
    if (stride === 1 && start(groups - 1) === start(0) + count - groupSize) {
      entries.set(data.subarray(start(0), start(0) + count), at);
      at += count;
      return;
    }
    for (let k = 0; k < groups; k++) {
      const from = start(k);
      for (let i = from, stop = from + groupSize * stride; i < stop; i += stride) {
        entries[at++] = data[i]!;
      }
    }
  });
}

/** The largest code of every group. */
function topCodes({ layout: { groups, segments } }: FittedBlock): Uint16Array {
  const tops = new Uint16Array(groups);
  for (const { groups, firstGroup, bits } of segments) {
    tops.fill(2 ** bits - 1, firstGroup, firstGroup + groups);
  }
  return tops;
}
