/**
 * What `transform` publishes to policies (`Family.statistics`): what its components cost, and how much
 * predictions suffer from errors in each layer.
 *
 * @module
 */
import type { KeptSamples, Sensitivity } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { componentCosts, learnTransform } from "./transform_calibration.ts";

/** Widths of codes, before they are entropy coded, that costs are given for. */
const WIDTHS: readonly number[] = [1, 2, 3, 4];

/** Steps that costs are given for, in standard deviations of the component, the coarsest first. */
const STEPS: readonly number[] = [
  4,
  2 * Math.SQRT2,
  2,
  Math.SQRT2,
  1,
  Math.SQRT1_2,
  0.5,
  Math.SQRT1_2 / 2,
  0.25,
  Math.SQRT1_2 / 4,
  0.125,
  Math.SQRT1_2 / 8,
  0.0625,
];

/**
 * One component, as the samples fill it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { ComponentStatistics } from "@kvreplay/kvreplay/policies";
 *
 * const component: ComponentStatistics = {
 *   variance: 2e-3,
 *   energy: 1e-3,
 *   // One width, steps of 1 and 0.5 deviations.
 *   bits: [[1.9, 2.8]],
 *   error: [[0.08, 0.02]],
 * };
 * const lost = component.error[0]!.map((share) => share * component.energy);
 * assertEquals(lost, [8e-5, 2e-5]);
 * ```
 */
export interface ComponentStatistics {
  /**
   * What leaving the component out costs: its share of the cache's energy plus, for keys, a weighted
   * variance of the logits.
   */
  readonly variance: number;
  /** Its share of the cache's energy: of `cache_error^2` of this layer and kind. */
  readonly energy: number;
  /** `bits[i][j]` that a code takes on average, of `widths[i]`, in `steps[j]`. */
  readonly bits: readonly (readonly number[])[];
  /** `error[i][j]`: share of variance and energy that is lost. */
  readonly error: readonly (readonly number[])[];
}

/**
 * One layer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { TransformLayerStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // What leaving out all of a layer's keys would do to the squared log-odds.
 * const whole = ({ key, sensitivity }: TransformLayerStatistics) =>
 *   sensitivity.key * key.reduce((sum, { variance }) => sum + variance, 0);
 * const component = { variance: 0.5, energy: 0.5, bits: [], error: [] };
 * assertEquals(
 *   whole({ key: [component, component], value: [], sensitivity: { key: 3, value: 1 } }),
 *   3,
 * );
 * ```
 */
export interface TransformLayerStatistics {
  /** Components of the keys, `[kvHeads * headDim]`, in the order of the option `steps`. */
  readonly key: readonly ComponentStatistics[];
  /** Components of the values, `[kvHeads * headDim]`, in the order of the option `steps`. */
  readonly value: readonly ComponentStatistics[];
  /**
   * Mean squared change of the log-odds between the two likeliest tokens that a unit of lost
   * `variance` causes: measured on the samples' replies, with noise in this layer's keys or values
   * alone.
   */
  readonly sensitivity: Sensitivity;
}

/**
 * What the family `transform` makes of the samples.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { TransformStatistics } from "@kvreplay/kvreplay/policies";
 *
 * // The lesson that gives every component of every layer the same step.
 * const alike = ({ steps, layers }: TransformStatistics) =>
 *   layers.map(({ key, value }) => ({
 *     key: key.map(() => steps[0]!),
 *     value: value.map(() => steps[0]!),
 *   }));
 * const component = { variance: 1, energy: 1, bits: [], error: [] };
 * const layer = { key: [component], value: [component], sensitivity: { key: 1, value: 1 } };
 * assertEquals(alike({ widths: [4], steps: [0.5], layers: [layer] }), [{ key: [0.5], value: [0.5] }]);
 * ```
 */
export interface TransformStatistics {
  /** Widths of codes, before they are entropy coded, that costs of components are given for. */
  readonly widths: readonly number[];
  /** Steps that they are given for, in standard deviations of the component, the coarsest first. */
  readonly steps: readonly number[];
  /** One entry per layer. */
  readonly layers: readonly TransformLayerStatistics[];
}

/** Statistics of every layer and kind. */
export function transformStatistics(
  samples: KeptSamples,
  sensitivity: readonly Sensitivity[],
): TransformStatistics {
  const costs = (layer: number, kind: KvKind) =>
    componentCosts(learnTransform(samples, layer, kind), WIDTHS, STEPS)
      .map(({ variance, energy, bits, error }) => ({
        variance,
        energy,
        bits: bits.map((row) => row.map(rounded)),
        error: error.map((row) => row.map(rounded)),
      }));
  return {
    widths: WIDTHS,
    steps: STEPS,
    layers: samples.layers.map((_, layer) => ({
      key: costs(layer, "key"),
      value: costs(layer, "value"),
      sensitivity: sensitivity[layer]!,
    })),
  };
}

/** Five digits: a policy is given thousands of these numbers, and they are estimates. */
const rounded = (x: number) => Number(x.toPrecision(5));
