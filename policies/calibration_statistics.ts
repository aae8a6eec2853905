/**
 * What a policy's `calibrate` is given: plain numbers about every layer, kind and head, computed on
 * samples that are never scored. All of it survives JSON, so it crosses into the sandbox unchanged.
 *
 * @module
 */
import type { FamilyStatistics } from "../quant/registry.ts";

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

/** One layer; every array has one entry per KV head. */
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
}

/** What `calibrate` is given. */
export interface CalibrationStatistics {
  /** Samples of the calibration set. */
  readonly samples: number;
  /** Tokens over all samples. */
  readonly tokens: number;
  /** One entry per layer. */
  readonly layers: readonly LayerStatistics[];
  /** What families publish besides, by name of the family. */
  readonly families: FamilyStatistics;
}
