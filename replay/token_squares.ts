/**
 * What restoring changed in the tokens of one layer and kind, and whether it can be measured at all.
 *
 * @module
 */
import type { TokenRange } from "../quant/tensor.ts";

/** What one head lost at one step. */
export interface HeadLoss {
  /** `norm(X - X')^2 / norm(X)^2` of the head's own entries. */
  readonly own: number;
  /** The same error over the norm of all heads: those of a layer and kind add up to its `ratio`. */
  readonly ofLayer: number;
}

/** Squares per token of one layer and kind, as prefix sums: of all heads, and of each. */
export class TokenSquares {
  readonly #error: Float64Array;
  readonly #norm: Float64Array;
  readonly #heads: readonly { readonly error: Float64Array; readonly norm: Float64Array }[];

  /** @param squares `[heads, tokens]` each */
  constructor(
    { error, norm }: { readonly error: Float64Array; readonly norm: Float64Array },
    heads: number,
  ) {
    const tokens = error.length / heads;
    const headOf = (values: Float64Array, head: number) =>
      values.subarray(head * tokens, (head + 1) * tokens);
    this.#error = prefixSums(overHeads(error, heads));
    this.#norm = prefixSums(overHeads(norm, heads));
    this.#heads = Array.from({ length: heads }, (_, head) => ({
      error: prefixSums(headOf(error, head)),
      norm: prefixSums(headOf(norm, head)),
    }));
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
    return share(between(this.#error, range), this.#norm[n]!);
  }

  /** What every head lost of that snapshot. */
  headLosses(n: number, range: TokenRange): HeadLoss[] {
    const whole = this.#norm[n]!;
    const lost = between(this.#error, range);
    return this.#heads.map(({ error, norm }) => {
      const own = between(error, range);
      return {
        own: share(own, norm[n]!),
        // Without a norm the layer has lost 1 in all.
        ofLayer: whole > 0 ? own / whole : lost > 0 ? own / lost : 0,
      };
    });
  }
}

function between(sums: Float64Array, { from, to }: TokenRange): number {
  return sums[to]! - sums[from]!;
}

function share(error: number, norm: number): number {
  return norm > 0 ? error / norm : error > 0 ? 1 : 0;
}

/** Sums over heads of `[heads, tokens]`. */
function overHeads(values: Float64Array, heads: number): Float64Array {
  const tokens = values.length / heads;
  const sums = new Float64Array(tokens);
  for (let i = 0; i < values.length; i++) sums[i % tokens]! += values[i]!;
  return sums;
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
