/**
 * The widths of least total cost under every budget at once.
 *
 * @module
 */
import { InternalError } from "../errors.ts";

/**
 * A multiple-choice knapsack (Kellerer, Pferschy and Pisinger, "Knapsack Problems", 2004, chapter
 * 11), solved exactly: widths are small whole numbers, so a table over lanes and bits stays small,
 * and unlike the plans that a price per bit leads to (Shoham and Gersho, IEEE Transactions on
 * Acoustics, Speech, and Signal Processing 36(9), 1988) its plans need not lie on the convex hull.
 */
export class Allocator {
  /** `[lane][bits]`: index of the width that the lane takes when it and all before it share `bits`. */
  readonly #choices: readonly Uint8Array[];

  /**
   * @param costs `[lane][width]`, additive over lanes
   * @param widths ascending whole numbers, one per column of `costs`
   */
  constructor(
    private readonly costs: readonly (readonly number[])[],
    private readonly widths: readonly number[],
  ) {
    const capacity = costs.length * widths.at(-1)!;
    let best = new Float64Array(capacity + 1);
    this.#choices = costs.map((row) => {
      const next = new Float64Array(capacity + 1).fill(Infinity);
      const choice = new Uint8Array(capacity + 1);
      for (const [i, width] of widths.entries()) {
        for (let bits = width; bits <= capacity; bits++) {
          const cost = best[bits - width]! + row[i]!;
          // Of equal costs the narrower width stays.
          if (cost < next[bits]!) {
            next[bits] = cost;
            choice[bits] = i;
          }
        }
      }
      best = next;
      return choice;
    });
  }

  /**
   * Width per lane with the least total cost among those whose mean is at most `averageBits`.
   *
   * @throws {InternalError} when even the narrowest width everywhere is over the budget
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Allocator } from "./allocation.ts";
   *
   * const allocator = new Allocator([[9, 1], [2, 1]], [1, 2]);
   * assertEquals(allocator.widthsFor(1.5), [2, 1]);
   * assertEquals(allocator.widthsFor(2), [2, 2]);
   * ```
   */
  widthsFor(averageBits: number): number[] {
    const lanes = this.costs.length;
    // The sum of fractional averages such as 2.7 may fall short of a whole number by rounding.
    let bits = Math.floor(Math.min(averageBits, this.widths.at(-1)!) * lanes + 1e-9);
    if (bits < lanes * this.widths[0]!) {
      throw new InternalError(
        `A mean of ${averageBits} bits is below the narrowest width of ${this.widths[0]}`,
      );
    }
    const widths = new Array<number>(lanes);
    for (let lane = lanes - 1; lane >= 0; lane--) {
      const width = this.widths[this.#choices[lane]![bits]!]!;
      widths[lane] = width;
      bits -= width;
    }
    return widths;
  }

  /** Total cost of a width per lane, each among the candidates. */
  costOf(plan: readonly number[]): number {
    return plan.reduce((sum, width, c) => sum + this.costs[c]![this.widths.indexOf(width)]!, 0);
  }
}
