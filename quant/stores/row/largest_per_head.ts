/**
 * What calibrated scales are made from.
 *
 * @module
 */
import type { KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";

/** Largest magnitude of each head in all samples of a layer's keys after RoPE, or of its values. */
export function largestPerHead(
  samples: KeptSamples,
  layer: number,
  kind: KvKind,
): Float32Array<ArrayBuffer> {
  const { keys, values, ranges } = samples.layers[layer]!;
  const [tensors, { low, high }] = kind === "key" ? [keys, ranges.keys] : [values, ranges.values];
  const { heads, headDim } = tensors[0]!;
  const largest = new Float32Array(heads);
  for (let channel = 0; channel < low.length; channel++) {
    const head = Math.floor(channel / headDim);
    largest[head] = Math.max(largest[head]!, -low[channel]!, high[channel]!);
  }
  return largest;
}
