/**
 * Codebooks of pairs: the `4^bits` points of the plane that lose least of two independent standard
 * normal numbers. Pagès and Printems, "Optimal quadratic quantization for numerics: the Gaussian case",
 * Monte Carlo Methods and Applications 9(2), 2003; Lloyd's iteration found them, `tools/gaussian_pairs.py`
 * writes the table anew.
 *
 * @module
 */
import table from "./gaussian_pairs.json" with { type: "json" };

/** Bits an entry that there are codebooks for. */
export const PAIR_BITS = [2, 3, 4] as const;

const known = new Map<number, Float32Array<ArrayBuffer>>();

/**
 * The points of so many bits an entry, `[point][2]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gaussianPairs } from "./gaussian_pairs.ts";
 *
 * // Codes of two entries have twice the bits.
 * assertEquals(gaussianPairs(2).length, 2 * 2 ** 4);
 * ```
 */
export function gaussianPairs(bits: number): Float32Array<ArrayBuffer> {
  let points = known.get(bits);
  if (points === undefined) {
    const entries = (table as Readonly<Record<string, readonly number[]>>)[bits]!;
    known.set(bits, points = Float32Array.from(entries));
  }
  return points;
}
