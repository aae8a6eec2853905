/**
 * What restoring changed in the tokens of one layer and kind, and whether it can be measured at all.
 *
 * @module
 */
import type { TokenRange } from "../quant/tensor.ts";

/** Squares per token of one layer and kind, as prefix sums. */
export class TokenSquares {
  readonly #error: Float64Array;
  readonly #norm: Float64Array;

  constructor(squares: { readonly error: Float64Array; readonly norm: Float64Array }) {
    this.#error = prefixSums(squares.error);
    this.#norm = prefixSums(squares.norm);
  }

  /** The first token whose restored entries cannot be measured; undefined where all are finite. */
  get notRestored(): number | undefined {
    return firstNotFinite(this.#error);
  }

  /** The first token whose real entries cannot be measured; undefined where all are finite. */
  get notReal(): number | undefined {
    return firstNotFinite(this.#norm);
  }

  /** `norm(X - X')^2 / norm(X)^2` of a snapshot of `n` tokens of which `range` is quantized. */
  ratio(n: number, range: TokenRange): number {
    const error = this.#error[range.to]! - this.#error[range.from]!;
    const norm = this.#norm[n]!;
    return norm > 0 ? error / norm : error > 0 ? 1 : 0;
  }
}

/** The token with which sums stop being finite; none of them is negative, so the last tells of all. */
function firstNotFinite(sums: Float64Array): number | undefined {
  if (Number.isFinite(sums.at(-1)!)) return undefined;
  return sums.findIndex((sum) => !Number.isFinite(sum)) - 1;
}

function prefixSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i]! + values[i]!;
  return sums;
}
