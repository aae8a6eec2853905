/**
 * What `transform` learns: axes, means, steps and alphabets of one layer and kind.
 *
 * @module
 */
import type { Calibration, CalibrationSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { chooseTable } from "./component_alphabets.ts";
import { alphabetSize, ComponentValues } from "./component_codes.ts";
import { transformAxes, visitComponents } from "./transform_axes.ts";
import { MATRIX_BITS, packMatrix } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Step, in standard deviations, of a component that is kept exact where there is no room for it. */
const NOT_EXACT = 0.25;

/** Learns everything a store needs. */
export function learnTransform(
  samples: CalibrationSamples,
  settings: TransformSettings,
): Calibration {
  const { layer, kind } = settings;
  const { blocks, variances } = transformAxes(samples, layer, kind);
  const symbols = alphabetSize(settings.bits[0]!);
  const steps = new Float32Array(variances.length);
  const alphabets = new Int32Array(variances.length);
  visitComponents(samples, layer, kind, (i, values) => {
    const wanted = settings.steps[i]!;
    if (wanted === "absent") return;
    const deviations = wanted === "exact" ? NOT_EXACT : wanted;
    const step = stepSize(deviations, variances[i]!);
    alphabets[i] = chooseTable(new ComponentValues(values).fill(step, symbols), deviations).table;
    steps[i] = wanted === "exact" ? -step : step;
  });
  const channels = variances.length / blocks.length;
  const packed = blocks.map(({ forward }, b) => {
    const stored = Array.from({ length: channels }, (_, i) => i)
      .filter((i) => settings.steps[b * channels + i] !== "absent");
    return packMatrix(forward, channels, stored, MATRIX_BITS[kind]);
  });
  return {
    mean: Float32Array.from(blocks.flatMap(({ mean }) => [...mean])),
    scales: Float32Array.from(packed.flatMap(({ scales }) => [...scales])),
    matrix: Int32Array.from(packed.flatMap(({ words }) => [...words])),
    steps,
    alphabets,
  };
}

/** Smallest normal float32: a step that every device divides by alike. */
const SMALLEST = 1.1754943508222875e-38;

/** A step in the component's own units. */
function stepSize(deviations: number, variance: number): number {
  return Math.max(deviations * Math.sqrt(variance), SMALLEST);
}

/** What coding one component in steps of some sizes costs. */
export interface ComponentCosts {
  /** What leaving it out costs, see `TransformAxes`. */
  readonly variance: number;
  /** Its share of the cache's energy. */
  readonly energy: number;
  /** `bits[width][step]` per value, in the order of the given widths and steps. */
  readonly bits: readonly (readonly number[])[];
  /** `error[width][step]`: mean squared error as a share of the component's variance. */
  readonly error: readonly (readonly number[])[];
}

/**
 * What the components of one layer and kind cost.
 *
 * @param widths of the codes before they are entropy coded
 * @param steps in standard deviations
 */
export function componentCosts(
  samples: CalibrationSamples,
  layer: number,
  kind: KvKind,
  widths: readonly number[],
  steps: readonly number[],
): ComponentCosts[] {
  const { variances, energies } = transformAxes(samples, layer, kind);
  const costs: ComponentCosts[] = [];
  visitComponents(samples, layer, kind, (i, values) => {
    const variance = variances[i]!;
    const sorted = new ComponentValues(values);
    const fills = widths.map((width) =>
      steps.map((step) =>
        chooseTable(sorted.fill(stepSize(step, variance), alphabetSize(width)), step)
      )
    );
    costs.push({
      variance,
      energy: energies[i]!,
      bits: fills.map((row) => row.map(({ bits }) => bits)),
      error: fills.map((row) => row.map(({ error }, i) => error * steps[i]! ** 2)),
    });
  });
  return costs;
}
