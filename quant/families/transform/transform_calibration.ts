/**
 * What `transform` learns of one layer and kind: axes, means, and sketches of the values that the
 * components take. Matrix, steps and alphabets of a store follow from that and its settings, so that
 * every policy shares what is learned.
 *
 * @module
 */
import type { Calibration, KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { LearnedOnce } from "../../learned_once.ts";
import { chooseTable } from "./component_alphabets.ts";
import { alphabetSize } from "./component_codes.ts";
import { sketch, SKETCH_POINTS, sketchedValues } from "./component_sketch.ts";
import { transformAxes, visitComponents } from "./transform_axes.ts";
import { packMatrix } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Step, in standard deviations, of a component that is kept exact where there is no room for it. */
const NOT_EXACT = 0.25;

/** What is learned of one layer and kind, by name. */
interface TransformLearned {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly forward: Float32Array<ArrayBuffer>;
  /** Of every component, see `TransformAxes`. */
  readonly variances: Float32Array<ArrayBuffer>;
  readonly energies: Float32Array<ArrayBuffer>;
  /** Scale of every component's sketch. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** `[component][SKETCH_POINTS]`. */
  readonly points: Float16Array<ArrayBuffer>;
  /** `[1]`: values that each sketch was made of. */
  readonly count: Int32Array<ArrayBuffer>;
}

/** What was learned of one set, by layer and kind: policies and stores ask for the same. */
const known = new LearnedOnce<Calibration>();

/** Learns what every policy and store of one layer and kind needs, whatever steps they take. */
export function learnTransform(samples: KeptSamples, layer: number, kind: KvKind): Calibration {
  return known.get(samples, `${layer} ${kind}`, () => computed(samples, layer, kind));
}

function computed(samples: KeptSamples, layer: number, kind: KvKind): Calibration {
  const { blocks, variances, energies } = transformAxes(samples, layer, kind);
  const scales = new Float32Array(variances.length);
  const points = new Float16Array(variances.length * SKETCH_POINTS);
  const count = new Int32Array(1);
  visitComponents(samples, layer, kind, (i, values) => {
    const own = points.subarray(i * SKETCH_POINTS, (i + 1) * SKETCH_POINTS);
    scales[i] = sketch(values, own);
    count[0] = values.length;
  });
  // As if the components had varied by so much more: alphabets and costs follow.
  const widened = withForeignText(variances);
  const ratios = widened.map((variance, i) => variances[i]! > 0 ? variance / variances[i]! : 1);
  ratios.forEach((ratio, i) => scales[i]! *= Math.sqrt(ratio));
  const concat = (parts: Float64Array[]) => Float32Array.from(parts.flatMap((p) => [...p]));
  const learned: TransformLearned = {
    mean: concat(blocks.map((b) => b.mean)),
    forward: concat(blocks.map((b) => b.forward)),
    variances: Float32Array.from(widened),
    energies: Float32Array.from(energies, (energy, i) => energy * ratios[i]!),
    scales,
    points,
    count,
  };
  return { ...learned };
}

/**
 * Share of the variance that text unlike the samples is taken to have in any direction alike: what
 * hardly varies on a few thousand tokens of one kind does on others (docs/adaptive.md).
 */
const FOREIGN_SHARE = 0.1;

/** Variances of components with that share spread over all of them that vary at all. */
function withForeignText(variances: readonly number[]): number[] {
  const even = variances.reduce((sum, variance) => sum + variance, 0) / variances.length;
  return variances.map((variance) =>
    variance > 0 ? (1 - FOREIGN_SHARE) * variance + FOREIGN_SHARE * even : variance
  );
}

/** The values of a component, as far as its sketch tells. */
function valuesOf({ points, scales, count }: TransformLearned, component: number) {
  const own = points.subarray(component * SKETCH_POINTS, (component + 1) * SKETCH_POINTS);
  return sketchedValues(own, scales[component]!, count[0]!);
}

/** Everything a store of these settings needs, of what was learned. */
export function fitTransform(learned: Calibration, settings: TransformSettings): Calibration {
  const all = learned as unknown as TransformLearned;
  const { mean, forward, variances } = all;
  const symbols = alphabetSize(settings.bits[0]!);
  const steps = new Float32Array(variances.length);
  const alphabets = new Int32Array(variances.length);
  for (const [i, wanted] of settings.steps.entries()) {
    if (wanted === "absent") continue;
    const deviations = wanted === "exact" ? NOT_EXACT : wanted;
    const step = stepSize(deviations, variances[i]!);
    alphabets[i] = chooseTable(valuesOf(all, i).fill(step, symbols), deviations).table;
    steps[i] = wanted === "exact" ? -step : step;
  }
  // Blocks are squares of the same size.
  const channels = forward.length / variances.length;
  const packed = Array.from({ length: variances.length / channels }, (_, b) => {
    const stored = Array.from({ length: channels }, (_, i) => i)
      .filter((i) => settings.steps[b * channels + i] !== "absent");
    const own = forward.subarray(b * channels ** 2, (b + 1) * channels ** 2);
    return packMatrix(own, channels, stored);
  });
  return {
    mean,
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
 * @param learned of the layer and kind
 * @param widths of the codes before they are entropy coded
 * @param steps in standard deviations
 */
export function componentCosts(
  learned: Calibration,
  widths: readonly number[],
  steps: readonly number[],
): ComponentCosts[] {
  const all = learned as unknown as TransformLearned;
  return Array.from(all.variances, (variance, i) => {
    const values = valuesOf(all, i);
    const fills = widths.map((width) =>
      steps.map((step) =>
        chooseTable(values.fill(stepSize(step, variance), alphabetSize(width)), step)
      )
    );
    return {
      variance,
      energy: all.energies[i]!,
      bits: fills.map((row) => row.map(({ bits }) => bits)),
      error: fills.map((row) => row.map(({ error }, i) => error * steps[i]! ** 2)),
    };
  });
}
