/**
 * How a model turns queries and keys by their position (Su et al., 2021, arXiv 2104.09864).
 *
 * @module
 */

/**
 * Rotary positions of a model: the channels `i` and `i + headDim / 2` of a query or key are a pair
 * that is turned by `position * frequencies[i]` and multiplied by `scale`.
 */
export interface RotaryPositions {
  /** Radians per token of every pair, `[headDim / 2]`; float32 numbers. */
  readonly frequencies: readonly number[];
  /** 1, except where a longer context was made room for with YaRN. */
  readonly scale: number;
}
