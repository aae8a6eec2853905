/**
 * The nearest of some points of the plane: the points that can be nearest anywhere in a cell of a lattice
 * are listed once, so that few are looked at.
 *
 * @module
 */

/** The lattice covers the plane up to here, where next to no normal numbers are, in so many cells a side. */
const REACH = 4;
const CELLS = 128;
const SIDE = 2 * REACH / CELLS;

/**
 * See the module.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { PairFinder } from "./pair_finder.ts";
 *
 * const finder = new PairFinder(Float32Array.of(0, 0, 2, 0, 0, 2));
 * assertEquals([finder.nearest(0.9, 0.9), finder.nearest(1.2, 0), finder.nearest(-9, 99)], [0, 1, 2]);
 * ```
 */
export class PairFinder {
  readonly #halfSquares: Float64Array;
  /** The only candidate of each cell that has no other, else -1. */
  readonly #only: Int16Array;
  /** Candidates of all cells, one cell behind the other, and where those of each begin. */
  readonly #candidates: Uint16Array;
  readonly #starts: Int32Array;

  /** @param points `[point][2]` */
  constructor(private readonly points: Float32Array) {
    const count = points.length / 2;
    this.#halfSquares = Float64Array.from(
      { length: count },
      (_, i) => (points[2 * i]! ** 2 + points[2 * i + 1]! ** 2) / 2,
    );
    const candidates: number[] = [];
    this.#only = new Int16Array(CELLS * CELLS).fill(-1);
    this.#starts = new Int32Array(CELLS * CELLS + 1);
    const distances = new Float64Array(count);
    for (let cell = 0; cell < CELLS * CELLS; cell++) {
      const x = (cell % CELLS + 0.5) * SIDE - REACH;
      const y = (Math.floor(cell / CELLS) + 0.5) * SIDE - REACH;
      let least = Infinity;
      for (let i = 0; i < count; i++) {
        distances[i] = Math.sqrt((points[2 * i]! - x) ** 2 + (points[2 * i + 1]! - y) ** 2);
        least = Math.min(least, distances[i]!);
      }
      // Nobody in the cell is farther from its centre than half a diagonal; a little more for rounding.
      const farthest = least + SIDE * Math.SQRT2 + 1e-6;
      for (let i = 0; i < count; i++) if (distances[i]! <= farthest) candidates.push(i);
      this.#starts[cell + 1] = candidates.length;
      if (this.#starts[cell]! + 1 === candidates.length) this.#only[cell] = candidates.at(-1)!;
    }
    this.#candidates = Uint16Array.from(candidates);
  }

  /**
   * The nearest points of pairs one behind the other.
   *
   * @param rows pairs at the indices `from` to `to`
   * @param scale what both of a pair are multiplied by first
   * @param codes filled, a pair's point at half its index
   */
  find(rows: Float32Array, from: number, to: number, scale: number, codes: Int32Array): void {
    const only = this.#only;
    for (let at = from; at < to; at += 2) {
      const [x, y] = [rows[at]! * scale, rows[at + 1]! * scale];
      const inside = x > -REACH && x < REACH && y > -REACH && y < REACH;
      const found = inside ? only[cellOf(x, y)]! : -1;
      codes[at >> 1] = found >= 0 ? found : this.nearest(x, y);
    }
  }

  /** The index of the nearest point; the lowest of several. */
  nearest(x: number, y: number): number {
    const [points, halfSquares] = [this.points, this.#halfSquares];
    let [best, found] = [-Infinity, 0];
    if (x <= -REACH || x >= REACH || y <= -REACH || y >= REACH) {
      for (let i = 0; i < halfSquares.length; i++) {
        const score = x * points[2 * i]! + y * points[2 * i + 1]! - halfSquares[i]!;
        if (score > best) [best, found] = [score, i];
      }
      return found;
    }
    const cell = cellOf(x, y);
    for (let at = this.#starts[cell]!; at < this.#starts[cell + 1]!; at++) {
      const i = this.#candidates[at]!;
      const score = x * points[2 * i]! + y * points[2 * i + 1]! - halfSquares[i]!;
      if (score > best) [best, found] = [score, i];
    }
    return found;
  }
}

/** The cell of a place that the lattice covers. */
function cellOf(x: number, y: number): number {
  // Both are above 0 once they are moved.
  return (((y + REACH) / SIDE) | 0) * CELLS + (((x + REACH) / SIDE) | 0);
}
