/**
 * Codebooks: the values that codes stand for, and the boundaries between them.
 *
 * @module
 */
import { roundToHalf } from "../packing/half.ts";
import { probit } from "./probit.ts";

/** A codebook of `2^bits` ascending entries. */
export interface Codebook {
  readonly bits: number;
  /** What the codes are chosen by. */
  readonly entries: Float32Array<ArrayBuffer>;
  /** What the codes restore to: the entries, or a correction of them. */
  readonly values: Float32Array<ArrayBuffer>;
  /** Midpoints between neighbouring entries; a value on one takes the lower code. */
  readonly bounds: Float32Array<ArrayBuffer>;
}

/** A codebook of ascending entries; `values` defaults to the entries. */
export function codebook(
  bits: number,
  entries: Float32Array<ArrayBuffer>,
  values = entries,
): Codebook {
  const bounds = new Float32Array(entries.length - 1);
  for (let i = 0; i < bounds.length; i++) bounds[i] = (entries[i]! + entries[i + 1]!) / 2;
  return { bits, entries, values, bounds };
}

/** Margin that keeps the outermost quantiles finite (Yoshida, arXiv 2306.06965). */
const MARGIN = (1 / 32 + 1 / 30) / 2;

/**
 * NormalFloat entries of a width: quantiles of the normal distribution, each half scaled to 1.
 *
 * SqueezeAILab/KVQuant, quant/kvquant/simquant_module_quantizer.py, QuantLinearSim.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { normalFloatEntries } from "./codebook.ts";
 *
 * const entries = normalFloatEntries(2);
 * assertEquals([entries[0], entries[1], entries[3]], [-1, 0, 1]);
 * ```
 */
export function normalFloatEntries(bits: number): Float32Array<ArrayBuffer> {
  const half = 2 ** (bits - 1);
  const entries = new Float32Array(2 * half);
  const low = probit(MARGIN);
  for (let i = 0; i < half; i++) {
    // One point has no spacing: at 1 bit the negative half is its end alone.
    const p = half === 1 ? MARGIN : MARGIN + i * (0.5 - MARGIN) / (half - 1);
    entries[i] = probit(p) / -low;
  }
  const high = probit(1 - MARGIN);
  for (let i = 1; i <= half; i++) {
    entries[half + i - 1] = probit(0.5 + i * (0.5 - MARGIN) / half) / high;
  }
  return entries;
}

/** The NormalFloat codebook: codes by the exact entries, values rounded to half precision. */
export function normalFloatCodebook(bits: number): Codebook {
  const entries = normalFloatEntries(bits);
  return codebook(bits, entries, entries.map(roundToHalf));
}

/** Cells of the table that finds the first code to try; a power of two. */
const CELLS = 1024;

/** Finds the codes of values in [-1, 1]: a table lookup, and seldom more than one step. */
export class CodeFinder {
  readonly #first = new Uint8Array(CELLS + 1);
  /** Boundaries, and infinity behind the last. */
  readonly #bounds: Float64Array;

  /** @param bounds boundaries between the codes, ascending, in [-1, 1] */
  constructor(bounds: ArrayLike<number>) {
    this.#bounds = new Float64Array(bounds.length + 1).fill(Infinity);
    this.#bounds.set(bounds);
    for (let cell = 1, code = 0; cell <= CELLS; cell++) {
      // A value just below a cell may be rounded into it.
      const left = cell / (CELLS / 2) - 1 - 1e-9;
      while (this.#bounds[code]! < left) code++;
      this.#first[cell] = code;
    }
  }

  /** The code of `z`; the nearest entry, the lower one on a boundary. */
  find(z: number): number {
    let code = 0;
    while (z > this.#bounds[code]!) code++;
    return code;
  }

  /** Codes of `(row[from + i] - offset) * factor` for `i < count`, to `codes[0], …`. */
  findRow(
    row: Float32Array,
    from: number,
    count: number,
    offset: number,
    factor: number,
    codes: Int32Array,
  ): void {
    const [first, bounds] = [this.#first, this.#bounds];
    for (let i = 0; i < count; i++) {
      const z = (row[from + i]! - offset) * factor;
      const clamped = z < -1 ? -1 : z > 1 ? 1 : z;
      let code = first[((clamped + 1) * (CELLS / 2)) | 0]!;
      while (z > bounds[code]!) code++;
      codes[i] = code;
    }
  }

  /** Codes of `(row[i] - offsets[i]) * factors[i]` for `from <= i < to`. */
  findChannels(
    row: Float32Array,
    from: number,
    to: number,
    offsets: Float32Array,
    factors: Float32Array,
    codes: Int32Array,
  ): void {
    const [first, bounds] = [this.#first, this.#bounds];
    for (let i = from; i < to; i++) {
      const z = (row[i]! - offsets[i]!) * factors[i]!;
      const clamped = z < -1 ? -1 : z > 1 ? 1 : z;
      let code = first[((clamped + 1) * (CELLS / 2)) | 0]!;
      while (z > bounds[code]!) code++;
      codes[i] = code;
    }
  }
}
