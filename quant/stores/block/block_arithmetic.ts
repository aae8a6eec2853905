/**
 * What a family that quantizes blocks says about its groups: from the range of a group to codes,
 * stored parameters and values. The WGSL counterpart has the functions `fit_group`, `code_of`,
 * `stored_pair` and `value_of` (block.wgsl).
 *
 * @module
 */
import type { BlockLayout, BlockShape, GroupPlaces } from "./block_layout.ts";
import type { BlockFormat } from "./block_parameters.ts";

/** How one group is coded: `code = clamp(round(x * multiplier + constant), 0, topCode)`. */
export interface GroupFit {
  multiplier: number;
  constant: number;
  /** What is stored, before it is rounded for storage. */
  scale: number;
  zero: number;
}

/** All groups of a block while it is being quantized; the arrays have an entry per group. */
export interface FittedBlock {
  readonly layout: BlockLayout;
  readonly data: Float32Array;
  /** Places of the groups, per segment. */
  readonly places: readonly GroupPlaces[];
  readonly multipliers: Float64Array;
  readonly constants: Float64Array;
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
}

/** The arithmetic of one family's groups in host memory. */
export interface GroupArithmetic {
  /** Fills `fit` for a group with smallest entry `low` and largest entry `high`. */
  fit(low: number, high: number, topCode: number, fit: GroupFit): void;
  /** Improves the constants and zeros of all groups together. */
  refine?(block: FittedBlock): void;
  /** Replaces the rule of `GroupFit` where that does not give the family's codes. */
  codeOf?(x: number, scale: number, zero: number, topCode: number): number;
  /** Fills `levels` with the values that the codes `0 .. topCode` stand for, from stored parameters. */
  fillLevels(levels: Float32Array, scale: number, zero: number, topCode: number): void;
}

/** Everything a block follows from, apart from the tensor. */
export interface BlockScheme extends BlockShape {
  readonly format: BlockFormat;
  readonly arithmetic: GroupArithmetic;
}
