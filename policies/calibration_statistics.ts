/**
 * What a policy's `calibrate` is given: plain numbers about every layer, kind and head, computed on
 * samples that are never scored. All of it survives JSON, so it crosses into the sandbox unchanged.
 *
 * @module
 */

/** Percentiles that are kept of every channel, in this order. */
export const CALIBRATION_PERCENTILES = [0.1, 0.5, 1, 5, 25, 50, 75, 95, 99, 99.5, 99.9] as const;

/** Numbers about one head's tensor over an even choice of at most about 4,096 calibration tokens. */
export interface HeadStatistics {
  /** Tokens that were looked at. */
  readonly tokens: number;
  /** Smallest entry per channel, `[headDim]`. */
  readonly min: readonly number[];
  /** Largest entry per channel, `[headDim]`. */
  readonly max: readonly number[];
  /** Mean per channel, `[headDim]`. */
  readonly mean: readonly number[];
  /** Population standard deviation. */
  readonly std: readonly number[];
  /** `percentiles[i][channel]`, linear interpolation, `i` as in `CALIBRATION_PERCENTILES`. */
  readonly percentiles: readonly (readonly number[])[];
  /** Population covariance of the channels, `[headDim][headDim]`. */
  readonly covariance: readonly (readonly number[])[];
}

/** Second moments of the queries that read one KV head, over its query heads and all tokens. */
export interface QueryStatistics {
  /** Queries that were looked at: tokens times query heads per KV head. */
  readonly queries: number;
  /** Mean of `q q^T`, `[headDim][headDim]`. */
  readonly second_moment: readonly (readonly number[])[];
}

/** Widths of codes, before they are entropy coded, that costs of components are given for. */
export const TRANSFORM_WIDTHS = [1, 2, 3, 4] as const;

/** Steps that costs of components are given for, in standard deviations of the component. */
export const TRANSFORM_STEPS: readonly number[] = [
  4,
  2 * Math.SQRT2,
  2,
  Math.SQRT2,
  1,
  Math.SQRT1_2,
  0.5,
  Math.SQRT1_2 / 2,
  0.25,
];

/** One component of the family `transform`, as the samples fill it. */
export interface ComponentStatistics {
  /**
   * What leaving the component out costs: its share of the cache's energy plus, for keys, a weighted
   * variance of the logits.
   */
  readonly variance: number;
  /** Its share of the cache's energy: of `cache_error^2` of this layer and kind. */
  readonly energy: number;
  /** `bits[i][j]` that a code takes on average, of `TRANSFORM_WIDTHS[i]`, in `TRANSFORM_STEPS[j]`. */
  readonly bits: readonly (readonly number[])[];
  /** `error[i][j]`: share of variance and energy that is lost. */
  readonly error: readonly (readonly number[])[];
}

/** What the family `transform` makes of one layer. */
export interface TransformStatistics {
  /** Components of the keys, `[kvHeads * headDim]`, in the order of the option `steps`. */
  readonly key: readonly ComponentStatistics[];
  /** Components of the values, `[kvHeads * headDim]`, in the order of the option `steps`. */
  readonly value: readonly ComponentStatistics[];
  /**
   * Mean squared change of the log-odds between the two likeliest tokens that a unit of lost
   * `variance` causes: measured on the samples' replies, with noise in this layer's keys or values
   * alone.
   */
  readonly sensitivity: { readonly key: number; readonly value: number };
}

/** One layer; every array but `transform` has one entry per KV head. */
export interface LayerStatistics {
  /** Keys after RoPE, as they are cached. */
  readonly key: readonly HeadStatistics[];
  /** Keys before RoPE. */
  readonly key_pre_rope: readonly HeadStatistics[];
  /** Values. */
  readonly value: readonly HeadStatistics[];
  /** Queries after RoPE. */
  readonly query: readonly QueryStatistics[];
  /** Queries before RoPE. */
  readonly query_pre_rope: readonly QueryStatistics[];
  /** What the components of the family `transform` hold. */
  readonly transform: TransformStatistics;
}

/** What `calibrate` is given. */
export interface CalibrationStatistics {
  /** Samples of the calibration set. */
  readonly samples: number;
  /** Tokens over all samples. */
  readonly tokens: number;
  /** `TRANSFORM_WIDTHS`, for policies that cannot import them. */
  readonly transform_widths: readonly number[];
  /** `TRANSFORM_STEPS`, for policies that cannot import them. */
  readonly transform_steps: readonly number[];
  /** One entry per layer. */
  readonly layers: readonly LayerStatistics[];
}
