/**
 * How `transform` codes one component: as whole steps, counted from 0, with an escape for what lies
 * further out than the alphabet reaches.
 *
 * Steps are even, as far as the alphabet goes: a token whose components are large is a token that
 * attracts attention, and codes made for the least mean error saturate on just these. What even
 * steps waste on rare values the entropy coder gets back (Gish and Pierce, "Asymptotically efficient
 * quantizing", IEEE Transactions on Information Theory 14(5), 1968).
 *
 * @module
 */
import { RAW_BITS } from "../../packing/entropy_coder.ts";

/**
 * How much less than half a step rounds up: a little, since a symbol nearer to 0 is shorter by more
 * than it is worse (Sullivan, "Efficient scalar quantization of exponential and Laplacian random
 * variables", IEEE Transactions on Information Theory 42(5), 1996).
 */
export const DEAD_ZONE = 0.1;

/** Observations that a level's place on the grid weighs against the mean of its values. */
const GRID_WEIGHT = 4;

/** Symbols of an alphabet whose codes are `width` bits wide before they are entropy coded. */
export function alphabetSize(width: number): number {
  return 2 ** width;
}

/** The symbol of so many steps: 0, 1, -1, 2, -2, … in this order, the likely ones first. */
export function symbolOf(steps: number): number {
  return steps > 0 ? 2 * steps - 1 : -2 * steps;
}

/** Steps from 0 that a symbol stands for. */
export function stepsOf(symbol: number): number {
  return symbol % 2 === 1 ? (symbol + 1) / 2 : -symbol / 2;
}

/** What the symbols of an alphabet stand for on a set of values. */
export interface ComponentFill {
  /** Values per symbol; the last symbol is the escape. */
  readonly counts: readonly number[];
  /** Restored value of every symbol but the escape. */
  readonly levels: readonly number[];
  /** Mean squared error; escapes have none. */
  readonly error: number;
}

/** Values of one component in ascending order, for codes in steps of many sizes. */
export class ComponentValues {
  readonly #sorted: Float32Array;
  /** How many values the first so many stand for, their sums and those of their squares. */
  readonly #counts: Int32Array;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;

  /**
   * @param values at least one, ascending
   * @param counts how many values the first 0, 1, 2, … of them stand for
   */
  constructor(values: Float32Array, counts: Int32Array) {
    this.#sorted = values;
    this.#counts = counts;
    this.#sums = new Float64Array(values.length + 1);
    this.#squares = new Float64Array(values.length + 1);
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!;
      const own = counts[i + 1]! - counts[i]!;
      this.#sums[i + 1] = this.#sums[i]! + own * x;
      this.#squares[i + 1] = this.#squares[i]! + own * x * x;
    }
  }

  /**
   * Codes the values in whole steps.
   *
   * @param step above 0
   * @param symbols of the alphabet, escape included
   */
  fill(step: number, symbols: number): ComponentFill {
    const count = this.#counts.at(-1)!;
    const escape = symbols - 1;
    const counts = new Array<number>(symbols).fill(0);
    const levels = new Array<number>(escape).fill(0);
    let squares = 0;
    let coded = 0;
    for (let symbol = 0; symbol < escape; symbol++) {
      const steps = stepsOf(symbol);
      // Symbols reach further outwards than inwards, by the dead zone.
      const outwards = 0.5 + DEAD_ZONE;
      const inwards = steps === 0 ? outwards : 0.5 - DEAD_ZONE;
      const below = steps > 0 ? inwards : outwards;
      const above = steps < 0 ? inwards : outwards;
      const from = this.#firstFrom((steps - below) * step);
      const to = this.#firstFrom((steps + above) * step);
      const own = this.#counts[to]! - this.#counts[from]!;
      const sum = this.#sums[to]! - this.#sums[from]!;
      const level = (sum + GRID_WEIGHT * steps * step) / (own + GRID_WEIGHT);
      counts[symbol] = own;
      levels[symbol] = level;
      squares += this.#squares[to]! - this.#squares[from]! + level * (own * level - 2 * sum);
      coded += own;
    }
    counts[escape] = count - coded;
    return { counts, levels, error: Math.max(0, squares) / count };
  }

  /** Index of the first value that is not below `limit`. */
  #firstFrom(limit: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bits per value that the symbols of a fill take, raw bits of escapes included. */
export function bitsOf({ counts }: ComponentFill): number {
  const n = counts.reduce((a, b) => a + b, 0);
  const entropy = counts.reduce((sum, c) => c === 0 ? sum : sum - c * Math.log2(c / n), 0);
  return (entropy + RAW_BITS * counts.at(-1)!) / n;
}
