/**
 * The values that a component takes over the calibration set, in a few hundred bytes: means of runs
 * of equally many values in ascending order, the outermost ones alone. How likely the symbols of any
 * step are, and what they lose, can be told from it later, without the samples.
 *
 * @module
 */
import { ComponentValues } from "./component_codes.ts";

/** Points of a sketch; of fewer values each is a point of its own, and what is left is 0. */
export const SKETCH_POINTS = 256;

/** Values at either end that are points of their own: escapes are told from these. */
const TAIL = 16;

/**
 * Where the runs of `count` values begin, and behind the last one the end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { runStarts } from "./component_sketch.ts";
 *
 * assertEquals([...runStarts(3)], [0, 1, 2, 3]);
 * const many = runStarts(10_000);
 * assertEquals([many.length, many[16], many[17], many.at(-1)], [257, 16, 60, 10_000]);
 * ```
 */
export function runStarts(count: number): Int32Array {
  if (count <= SKETCH_POINTS) return Int32Array.from({ length: count + 1 }, (_, i) => i);
  const middle = SKETCH_POINTS - 2 * TAIL;
  const inner = count - 2 * TAIL;
  return Int32Array.from({ length: SKETCH_POINTS + 1 }, (_, i) => {
    if (i < TAIL) return i;
    if (i > TAIL + middle) return count - (SKETCH_POINTS - i);
    return TAIL + Math.floor((i - TAIL) * inner / middle);
  });
}

/**
 * The sketch of values.
 *
 * @param values at least one; sorted in place
 * @param into `[SKETCH_POINTS]`: the points as shares of the scale
 * @returns the scale: the largest magnitude
 */
export function sketch(values: Float32Array, into: Float16Array): number {
  values.sort();
  const scale = Math.max(-values[0]!, values.at(-1)!);
  const starts = runStarts(values.length);
  for (let run = 0; run + 1 < starts.length; run++) {
    const [from, to] = [starts[run]!, starts[run + 1]!];
    let sum = 0;
    for (let i = from; i < to; i++) sum += values[i]!;
    into[run] = scale > 0 ? sum / (to - from) / scale : 0;
  }
  return scale;
}

/** What a sketch of `count` values says they were. */
export function sketchedValues(
  points: Float16Array,
  scale: number,
  count: number,
): ComponentValues {
  const starts = runStarts(count);
  const runs = starts.length - 1;
  const values = Float32Array.from(points.subarray(0, runs), (point) => point * scale);
  return new ComponentValues(values, starts);
}
