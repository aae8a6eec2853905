/**
 * What one group contributes to a round of HQQ's search (hqq_zero_points.ts): the reference of what
 * `hqq_round.ts` does for many groups.
 *
 * @module
 */

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Entries per unit of the table of `d^-0.3` for `0 <= d <= 1/2`. */
export const TABLE_STEPS = 8192;

/** From here on linear interpolation in the table is good to 5e-5. */
const TABLE_FROM = 1 / 256;

/** Value at the lower end of each step; flat in the first one, and behind the end. */
export const powers: Float64Array = Float64Array.from(
  { length: TABLE_STEPS / 2 + 2 },
  (_, i) => (Math.min(Math.max(i, 1), TABLE_STEPS / 2) / TABLE_STEPS) ** -0.3,
);

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
  const changeOf = usesTable(sparseFrom)
    ? (size: number) => Math.min(size, reach * power(size))
    : (size: number) => size > sparseFrom ? reach * size ** -0.3 : size;
  let sum = 0;
  let change = 0;
  for (let i = from; i < to; i++) {
    const position = entries[i]! + zero;
    const rounded = position + ROUND - ROUND;
    const d = position - (rounded < 0 ? 0 : rounded > topCode ? topCode : rounded);
    const size = Math.abs(d);
    sum += size;
    change += d < 0 ? -changeOf(size) : changeOf(size);
  }
  into.distance = sum;
  into.change = change;
}

/** `size^-0.3`, from the table unless it is that of a clamped code. */
function power(size: number): number {
  if (size > 0.5) return size ** -0.3;
  const at = size * TABLE_STEPS;
  const step = at - 0.5 + ROUND - ROUND;
  const lower = powers[step]!;
  return lower + (at - step) * (powers[step + 1]! - lower);
}
