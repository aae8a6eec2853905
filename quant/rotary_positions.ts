/**
 * How a model turns queries and keys by their position (Su et al., 2021, arXiv 2104.09864).
 *
 * @module
 */

/**
 * Rotary positions: the channels `i` and `i + headDim / 2` of a query or key are a pair, which is
 * turned by `position * theta^(-2 i / headDim) / stretch[i]` and multiplied by `scale`.
 *
 * @example
 * ```ts
 * import type { RotaryPositions } from "@kvreplay/kvreplay";
 *
 * // A head of 64 channels, as it is turned without any scaling.
 * const plain: RotaryPositions = { theta: 10_000, stretch: new Array(32).fill(1), scale: 1 };
 * // Angle of pair 3 at position 5, in radians.
 * console.log(5 * plain.theta ** (-2 * 3 / 64) / plain.stretch[3]!);
 * ```
 */
export interface RotaryPositions {
  /** Base of the angles. */
  readonly theta: number;
  /**
   * How much slower than in plain rotary positions each pair turns, `[headDim / 2]`: 1, except where
   * room was made for contexts longer than those of the training.
   */
  readonly stretch: readonly number[];
  /** 1, except with YaRN. */
  readonly scale: number;
}
