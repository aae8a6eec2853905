/**
 * What a policy's `calibrate` is given: plain numbers about every layer, kind and head, computed on
 * samples that are never scored. All of it survives JSON, so it crosses into the sandbox unchanged.
 *
 * @module
 */
import type { FamilyStatistics } from "../quant/registry.ts";

/** Percentiles that are kept of every channel, in this order. */
export const CALIBRATION_PERCENTILES = [0.1, 0.5, 1, 5, 25, 50, 75, 95, 99, 99.5, 99.9] as const;

/**
 * Numbers about one head's tensor over an even choice of at most about 2,048 calibration tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { HeadStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // The channel whose outliers reach furthest beyond its spread.
 * const worst = ({ max, mean, std }: Pick<HeadStatistics, "max" | "mean" | "std">) => {
 *   const reach = max.map((most, i) => (most - mean[i]!) / std[i]!);
 *   return reach.indexOf(Math.max(...reach));
 * };
 * assertEquals(worst({ max: [3, 9, 4], mean: [0, 0, 1], std: [1, 1, 1] }), 1);
 * ```
 */
export interface HeadStatistics {
  /** Tokens that were looked at. */
  readonly tokens: number;
  /** Smallest entry per channel, `[headDim]`. */
  readonly min: readonly number[];
  /** Largest entry per channel, `[headDim]`. */
  readonly max: readonly number[];
  /** Mean per channel, `[headDim]`. */
  readonly mean: readonly number[];
  /** Population standard deviation per channel, `[headDim]`. */
  readonly std: readonly number[];
  /**
   * `percentiles[i][channel]`, linear interpolation: the 0.1st, 0.5th, 1st, 5th, 25th, 50th, 75th,
   * 95th, 99th, 99.5th and 99.9th.
   */
  readonly percentiles: readonly (readonly number[])[];
  /** Population covariance of the channels, `[headDim][headDim]`. */
  readonly covariance: readonly (readonly number[])[];
}

/**
 * Second moments of the queries that read one KV head, over its query heads and all tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { QueryStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // Mean square of what an error of a key does to its logits, before they are scaled.
 * const cost = ({ second_moment }: QueryStatistics, error: readonly number[]) =>
 *   second_moment.flatMap((row, i) => row.map((moment, j) => error[i]! * moment * error[j]!))
 *     .reduce((a, b) => a + b);
 * assertEquals(cost({ queries: 10, second_moment: [[4, 0], [0, 1]] }, [0.5, 1]), 2);
 * ```
 */
export interface QueryStatistics {
  /** Queries that were looked at: tokens times query heads per KV head. */
  readonly queries: number;
  /** Mean of `q q^T`, `[headDim][headDim]`. */
  readonly second_moment: readonly (readonly number[])[];
}

/**
 * One layer; every array has one entry per KV head.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { HeadStatistics, LayerStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // Whether each head's keys spread wider than its values.
 * const wider = ({ key, value }: Pick<LayerStatistics, "key" | "value">) => {
 *   const spread = ({ std }: HeadStatistics) => Math.hypot(...std);
 *   return key.map((head, i) => spread(head) > spread(value[i]!));
 * };
 * const head = (std: number[]): HeadStatistics => ({
 *   ...{ tokens: 4096, min: [], max: [], mean: [], percentiles: [], covariance: [], std },
 * });
 * assertEquals(wider({ key: [head([3, 4])], value: [head([1, 2])] }), [true]);
 * ```
 */
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

/**
 * What `calibrate` is given.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CalibrationStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // Widths of the keys, wide where predictions suffer most from errors in them.
 * const widths = ({ families: { transform } }: CalibrationStatistics) =>
 *   transform.layers.map(({ sensitivity }) => sensitivity.key > 1 ? 4 : 2);
 * const layer = (key: number) => ({ key: [], value: [], sensitivity: { key, value: 1 } });
 * const transform = { widths: [], steps: [], layers: [layer(0.1), layer(90)] };
 * assertEquals(widths({ samples: 8, tokens: 4000, layers: [], families: { transform } }), [2, 4]);
 * ```
 */
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
