/**
 * What calibrated scales are made from.
 *
 * @module
 */
import type { CalibrationSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";

/** Largest magnitude of each head in the samples of a layer's keys after RoPE, or of its values. */
export function largestPerHead(
  samples: CalibrationSamples,
  layer: number,
  kind: KvKind,
): Float32Array<ArrayBuffer> {
  const { keys, values } = samples.layers[layer]!;
  const tensors = kind === "key" ? keys : values;
  const largest = new Float32Array(tensors[0]!.heads);
  for (const { data, capacity, headDim } of tensors) {
    for (let i = 0; i < data.length; i++) {
      const head = Math.floor(i / (capacity * headDim));
      largest[head] = Math.max(largest[head]!, Math.abs(data[i]!));
    }
  }
  return largest;
}
