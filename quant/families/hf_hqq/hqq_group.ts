/**
 * What one group contributes to a round of HQQ's search (hqq_zero_points.ts): the reference of what
 * `hqq_round.ts` does for many groups.
 *
 * @module
 */

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Entries per unit of the table of `sign(d) |d|^-0.3` for `-1/2 <= d <= 1/2`. */
export const TABLE_STEPS = 8192;
const TABLE_MIDDLE = TABLE_STEPS / 2;

/** From here on linear interpolation in the table is good to 5e-5. */
const TABLE_FROM = 1 / 256;

function signedPower(d: number): number {
  return Math.sign(d) * Math.abs(d) ** -0.3;
}

/** Value at the lower end of each step, and growth over it; flat where the ends differ in sign. */
export const powers = new Float64Array(TABLE_STEPS + 1);
const growths = new Float64Array(TABLE_STEPS + 1);
const halfSigns = new Float64Array(TABLE_STEPS + 1);
for (let i = 0; i <= TABLE_STEPS; i++) {
  const [from, to] = [(i - TABLE_MIDDLE) / TABLE_STEPS, (i + 1 - TABLE_MIDDLE) / TABLE_STEPS];
  const innermost = from === 0 ? to : from;
  powers[i] = signedPower(innermost);
  growths[i] = from === 0 || to === 0 ? 0 : signedPower(to) - signedPower(from);
  halfSigns[i] = Math.sign(innermost) / 2;
}

/** Sums over the entries of a group. */
export interface GroupSums {
  /** Of `|d|`. */
  distance: number;
  /** Of `d - E s`. */
  change: number;
}

/** Whether a group's sums are taken from the table; else next to all of its errors are sparse, or none. */
export function usesTable(sparseFrom: number): boolean {
  return sparseFrom < 0.5 && sparseFrom >= TABLE_FROM;
}

/**
 * The sums of the group of entries `from .. to - 1`.
 *
 * @param entries in steps
 * @param zero in steps
 * @param sparseFrom size of an error from which on a part of it is sparse
 */
export function groupSums(
  entries: Float32Array,
  from: number,
  to: number,
  zero: number,
  topCode: number,
  reach: number,
  sparseFrom: number,
  into: GroupSums,
): void {
  if (usesTable(sparseFrom)) byTable(entries, from, to, zero, topCode, reach, into);
  else byPower(entries, from, to, zero, topCode, reach, sparseFrom, into);
}

/** For groups of which next to all entries are below `sparseFrom`, or above. */
function byPower(
  entries: Float32Array,
  from: number,
  to: number,
  zero: number,
  topCode: number,
  reach: number,
  sparseFrom: number,
  into: GroupSums,
): void {
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
  into.distance = sum;
  into.change = change;
}

/** The same for all others, without branches, as these could not be predicted. */
function byTable(
  entries: Float32Array,
  from: number,
  to: number,
  zero: number,
  topCode: number,
  reach: number,
  into: GroupSums,
): void {
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
  into.distance = sum;
  into.change = change;
}
