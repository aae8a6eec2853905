/**
 * Linear prediction in host memory, for stores and for what they are learned by.
 *
 * @module
 */
import { rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import type { Predictor } from "./aquakv_settings.ts";

/** What is predicted from, side by side; grows to what was asked for. */
let scratch = new Float32Array(0);

const matricesOf = new WeakMap<Predictor["weights"], Float32Array>();

/**
 * What vectors are predicted to be; zeros where nothing is predicted.
 *
 * @param inputs `[count][channels]` each, one behind the other in the predictor's order
 * @returns `[count][channels]`
 */
export function predict(
  predictor: Predictor | undefined,
  inputs: readonly Float32Array[],
  count: number,
  channels: number,
): Float32Array {
  const out = new Float32Array(count * channels);
  if (predictor === undefined) return out;
  const { weights, bias } = predictor;
  let matrix = matricesOf.get(weights);
  if (matrix === undefined) matricesOf.set(weights, matrix = Float32Array.from(weights));
  const width = inputs.length * channels;
  if (scratch.length < count * width) scratch = new Float32Array(count * width);
  for (const [i, input] of inputs.entries()) {
    for (let t = 0; t < count; t++) {
      scratch.set(input.subarray(t * channels, (t + 1) * channels), t * width + i * channels);
    }
  }
  rowsTimesColumns(scratch, count, matrix, channels, width, out);
  for (let at = 0; at < out.length; at += channels) {
    for (let c = 0; c < channels; c++) out[at + c]! += bias[c]!;
  }
  return out;
}
