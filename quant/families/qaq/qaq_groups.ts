/**
 * Statistics of one group of a token under `qaq`: outliers, mean, scale.
 *
 * @module
 */
import { Extremes, type FloatRow } from "../../numerics/extremes.ts";
import type { QaqLayout, QaqSettings } from "./qaq_settings.ts";

/** Measures groups of one layout; the results of the last group are in the fields. */
export class GroupMeasure {
  /** Outliers of the group. */
  outliers = 0;
  /** Their positions in the group, ascending; the first `outliers` are valid. */
  readonly positions: Int32Array;
  /** Mean of the other entries (0 when symmetric), in float32. */
  mean = 0;
  /** What the widths divide: twice the largest magnitude when symmetric, else the range. */
  range = 0;
  /** Sample standard deviation; only for the normal method. */
  deviation = 0;
  readonly #extremes: Extremes;

  constructor(private readonly settings: QaqSettings, private readonly layout: QaqLayout) {
    const { groupSize, lowRank, highRank } = layout;
    this.positions = new Int32Array(groupSize);
    const bottom = Math.min(groupSize, lowRank + 2);
    this.#extremes = new Extremes(groupSize, bottom, groupSize - highRank);
  }

  /**
   * Measures the group whose entries begin at `from`.
   * @returns false when an entry is not finite; the results are of no use then
   */
  measure(row: FloatRow, from: number): boolean {
    const { groupSize, lowRank, highRank } = this.layout;
    const { smallest, largest } = this.#extremes;
    const values = row.values;
    this.#extremes.find(row, from);
    const low = lowRank < 0 ? -Infinity : smallest[lowRank]!;
    const high = largest[groupSize - 1 - highRank]!;
    let outliers = 0;
    let sum = 0;
    for (let i = 0; i < groupSize; i++) {
      const x = values[from + i]!;
      if (x <= low || x > high) this.positions[outliers++] = i;
      else sum += x;
    }
    this.outliers = outliers;
    // An infinite entry is an extreme; NaN is an extreme too, or no outlier and so in the sum.
    if (!Number.isFinite(sum + smallest[0]! - largest[0]!)) return false;
    const kept = groupSize - outliers;
    if (kept === 0) {
      this.mean = this.range = this.deviation = 0;
      return true;
    }
    let least = smallest[lowRank + 1]!;
    // Ties at the lower end hide what lies above it.
    if (least <= low) least = this.#leastAbove(values, from, low);
    const { symmetric, method } = this.settings;
    const mean = sum / kept;
    this.mean = symmetric ? 0 : Math.fround(mean);
    this.range = Math.fround(
      symmetric ? 2 * Math.max(Math.abs(least), Math.abs(high)) : high - least,
    );
    if (method === "uniform") return true;
    let squares = 0;
    for (let i = 0; i < groupSize; i++) {
      const x = values[from + i]!;
      if (x > low && x <= high) squares += (x - mean) * (x - mean);
    }
    this.deviation = kept < 2 ? 0 : Math.fround(Math.sqrt(squares / (kept - 1)));
    return true;
  }

  #leastAbove(values: Float32Array, from: number, low: number): number {
    let least = Infinity;
    for (let i = from; i < from + this.layout.groupSize; i++) {
      const x = values[i]!;
      if (x > low && x < least) least = x;
    }
    return least;
  }
}
