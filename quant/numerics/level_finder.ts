/**
 * Finds the nearest of some levels for many numbers.
 *
 * @module
 */

const BINS_PER_LEVEL = 32;

/**
 * Ascending levels with a table from values to codes. The table leaves a comparison that nearly
 * always ends the same way, so that processors predict it; bisection's cannot be predicted.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LevelFinder } from "./level_finder.ts";
 *
 * const finder = new LevelFinder(Float64Array.of(-1, 0, 3));
 * assertEquals([-9, -0.5, -0.4, 1.5, 1.6].map((x) => finder.find(x)), [0, 0, 1, 1, 2]);
 * ```
 */
export class LevelFinder {
  /** Between neighbouring levels; on a midpoint the lower level is taken. The last is infinite. */
  readonly #midpoints: Float64Array;
  readonly #first: number;
  readonly #perUnit: number;
  /** For each bin, the code of its lower end. */
  readonly #codes: Uint8Array;

  /**
   * @param levels up to 256 of them, ascending
   */
  constructor(levels: Float64Array) {
    this.#midpoints = levels.map((level, i) => (level + (levels[i + 1] ?? Infinity)) / 2);
    const bins = BINS_PER_LEVEL * levels.length;
    this.#first = levels[0]!;
    const last = levels.at(-1)!;
    this.#perUnit = last > this.#first ? bins / (last - this.#first) : 0;
    this.#codes = new Uint8Array(bins + 1);
    let code = 0;
    for (let bin = 0; bin <= bins; bin++) {
      // A little early, against rounding: searching goes upwards only.
      const x = this.#first + (bin - 0.001) * (last - this.#first) / bins;
      while (x > this.#midpoints[code]!) code++;
      this.#codes[bin] = code;
    }
  }

  /** Code of the level nearest to `x`. */
  find(x: number): number {
    const codes = this.#codes;
    const bin = (x - this.#first) * this.#perUnit;
    let code = bin > 0 ? codes[bin < codes.length ? bin | 0 : codes.length - 1]! : 0;
    while (x > this.#midpoints[code]!) code++;
    return code;
  }

  /** Codes of `rows[from], …` to `codes[0], …`, `count` of them: a loop over `find`, written out. */
  findRow(rows: Float64Array, from: number, count: number, codes: Int32Array): void {
    const [table, midpoints] = [this.#codes, this.#midpoints];
    const [first, perUnit, last] = [this.#first, this.#perUnit, this.#codes.length - 1];
    for (let i = 0; i < count; i++) {
      const x = rows[from + i]!;
      const bin = (x - first) * perUnit;
      let code = bin > 0 ? table[bin < last ? bin | 0 : last]! : 0;
      while (x > midpoints[code]!) code++;
      codes[i] = code;
    }
  }
}
