/**
 * Where a cache's error lies: per layer, kind and head, over the steps of an example.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import type { TokenRange } from "../quant/tensor.ts";
import type { TokenSquares } from "./token_squares.ts";

/**
 * What one head of a layer's keys or values lost, as means over the steps of an example.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { type HeadError, open } from "@kvreplay/kvreplay";
 *
 * // The heads of a layer and kind add up to what it lost.
 * const lost = (heads: readonly HeadError[]) => heads.reduce((sum, h) => sum + h.ofLayer, 0);
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers, outcomes } = await lab.replay({ prompt: "Why?" }, "uniform_quant_2bit");
 * const tensors = outcomes[0]!.headErrors.flat().map(lost);
 * const mean = tensors.reduce((a, b) => a + b) / tensors.length;
 * assertAlmostEquals(Math.sqrt(mean), numbers.cache_error, 1e-9);
 * ```
 */
export interface HeadError {
  /** `norm(X - X')^2 / norm(X)^2` of the head's own entries. */
  readonly own: number;
  /**
   * `norm(X - X')^2` of the head over `norm(X)^2` of all heads of its layer and kind: the heads add up
   * to what the layer and kind lost, and the mean of those is the square of `cache_error`.
   */
  readonly ofLayer: number;
}

/**
 * Errors of heads, `[layer][kind][head]`, keys before values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { HeadErrors } from "@kvreplay/kvreplay";
 *
 * // The layer whose keys lost most.
 * const worst = (errors: HeadErrors) => {
 *   const keys = errors.map(([key]) => key!.reduce((sum, { ofLayer }) => sum + ofLayer, 0));
 *   return keys.indexOf(Math.max(...keys));
 * };
 * const head = (ofLayer: number) => ({ own: 2 * ofLayer, ofLayer });
 * assertEquals(worst([[[head(0.1)], [head(0.9)]], [[head(0.2)], [head(0)]]]), 1);
 * ```
 */
export type HeadErrors = readonly (readonly (readonly HeadError[])[])[];

/** The sums over the steps of one example. */
export class HeadErrorSums {
  readonly #own: Float64Array;
  readonly #ofLayer: Float64Array;
  #steps = 0;

  constructor(private readonly shape: { readonly layers: number; readonly kvHeads: number }) {
    const lanes = shape.layers * KV_KINDS.length * shape.kvHeads;
    this.#own = new Float64Array(lanes);
    this.#ofLayer = new Float64Array(lanes);
  }

  /**
   * Adds a step.
   *
   * @param squares of every layer and kind
   * @param tokens of the step's snapshot
   * @param ranges what of them was quantized
   */
  add(squares: readonly TokenSquares[], tokens: number, ranges: readonly TokenRange[]): void {
    this.#steps++;
    let lane = 0;
    for (const [i, tensor] of squares.entries()) {
      for (const { own, ofLayer } of tensor.headLosses(tokens, ranges[i]!)) {
        this.#own[lane]! += own;
        this.#ofLayer[lane++]! += ofLayer;
      }
    }
  }

  /** Means over the steps. */
  means(): HeadErrors {
    const { layers, kvHeads } = this.shape;
    return Array.from(
      { length: layers },
      (_, layer) =>
        KV_KINDS.map((_, kind) =>
          Array.from({ length: kvHeads }, (_, head) => {
            const lane = (layer * KV_KINDS.length + kind) * kvHeads + head;
            return {
              own: this.#own[lane]! / this.#steps,
              ofLayer: this.#ofLayer[lane]! / this.#steps,
            };
          })
        ),
    );
  }
}
