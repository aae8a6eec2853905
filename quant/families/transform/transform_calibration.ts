/**
 * What `transform` learns of one layer and kind: axes, means, and sketches of the values that the
 * components take. Steps, levels and frequencies of a store follow from that and its settings, so
 * that every policy shares what is learned.
 *
 * @module
 */
import type { Calibration, KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { frequenciesOf, FREQUENCY_BITS } from "../../packing/entropy_coder.ts";
import { alphabetSize, bitsOf } from "./component_codes.ts";
import { sketch, SKETCH_POINTS, sketchedValues } from "./component_sketch.ts";
import { transformAxes, visitComponents } from "./transform_axes.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** What an unseen symbol counts as. */
const UNSEEN = 0.25;

/** What is learned of one layer and kind, by name. */
interface TransformLearned {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly forward: Float32Array<ArrayBuffer>;
  readonly inverse: Float32Array<ArrayBuffer>;
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
const known = new WeakMap<KeptSamples, Map<string, Calibration>>();

/** Learns what every policy and store of one layer and kind needs, whatever steps they take. */
export function learnTransform(samples: KeptSamples, layer: number, kind: KvKind): Calibration {
  let ofSamples = known.get(samples);
  if (ofSamples === undefined) known.set(samples, ofSamples = new Map());
  const key = `${layer} ${kind}`;
  let learned = ofSamples.get(key);
  if (learned === undefined) ofSamples.set(key, learned = computed(samples, layer, kind));
  return learned;
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
  const concat = (parts: Float64Array[]) => Float32Array.from(parts.flatMap((p) => [...p]));
  const learned: TransformLearned = {
    mean: concat(blocks.map((b) => b.mean)),
    forward: concat(blocks.map((b) => b.forward)),
    inverse: concat(blocks.map((b) => b.inverse)),
    variances: Float32Array.from(variances),
    energies: Float32Array.from(energies),
    scales,
    points,
    count,
  };
  return { ...learned };
}

/** The values of a component, as far as its sketch tells. */
function valuesOf({ points, scales, count }: TransformLearned, component: number) {
  const own = points.subarray(component * SKETCH_POINTS, (component + 1) * SKETCH_POINTS);
  return sketchedValues(own, scales[component]!, count[0]!);
}

/** Everything a store of these settings needs, of what was learned. */
export function fitTransform(learned: Calibration, settings: TransformSettings): Calibration {
  const all = learned as unknown as TransformLearned;
  const { mean, forward, inverse, variances } = all;
  const symbols = alphabetSize(settings.bits[0]!);
  const steps = new Float32Array(variances.length);
  const levels: number[] = [];
  const frequencies: number[] = [];
  for (const [i, step] of settings.steps.entries()) {
    if (step === "absent") continue;
    // What is exact always escapes, at no cost.
    let counts = new Array<number>(symbols - 1).fill(0).concat(1 << FREQUENCY_BITS);
    let centres = new Array<number>(symbols - 1).fill(0);
    if (step !== "exact") {
      steps[i] = stepSize(step, variances[i]!);
      const fill = valuesOf(all, i).fill(steps[i]!, symbols);
      counts = frequenciesOf(fill.counts.map((count) => count + UNSEEN));
      centres = [...fill.levels];
    }
    frequencies.push(...counts);
    levels.push(...centres, 0);
  }
  return {
    mean,
    forward,
    inverse,
    steps,
    levels: Float32Array.from(levels),
    frequencies: Int32Array.from(frequencies),
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
      steps.map((step) => values.fill(stepSize(step, variance), alphabetSize(width)))
    );
    const whole = Math.max(variance, Number.MIN_VALUE);
    return {
      variance,
      energy: all.energies[i]!,
      bits: fills.map((row) => row.map(bitsOf)),
      error: fills.map((row) => row.map((fill) => fill.error / whole)),
    };
  });
}
