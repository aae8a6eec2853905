/**
 * Tensors of the calibration set as a codec is given them: one row of tokens, from all samples alike.
 *
 * @module
 */
import type { KeptSamples } from "../quant/calibration.ts";
import type { CpuTensor } from "../quant/tensor.ts";

type Floats = Float32Array<ArrayBuffer>;

/** Bytes of the keys and values of all layers together. */
const MOST_BYTES = 2 ** 26;

/**
 * Keys and values of every layer, `[kv_heads, tokens, head_dim]` each, keys before values.
 *
 * @param most bytes of all of them; fewer tokens are taken, evenly, where there would be more
 * @returns the number of tokens, and the tensors
 */
export function codecSamples(
  { layers }: Pick<KeptSamples, "layers">,
  most = MOST_BYTES,
): [tokens: number, samples: Floats[]] {
  const { keys } = layers[0]!;
  const { heads, headDim } = keys[0]!;
  const kept = keys.reduce((sum, { capacity }) => sum + capacity, 0);
  const perToken = layers.length * 2 * heads * headDim * 4;
  const tokens = Math.max(1, Math.min(kept, Math.floor(most / perToken)));
  const chosen = Int32Array.from({ length: tokens }, (_, i) => Math.floor(i * kept / tokens));
  return [tokens, layers.flatMap(({ keys, values }) => [keys, values].map((t) => row(t, chosen)))];
}

/** Some tokens of tensors that stand behind each other. */
function row(tensors: readonly CpuTensor[], chosen: Int32Array): Floats {
  const { heads, headDim } = tensors[0]!;
  const all = new Float32Array(heads * chosen.length * headDim);
  let [tensor, first] = [0, 0];
  for (const [t, token] of chosen.entries()) {
    while (token - first >= tensors[tensor]!.capacity) first += tensors[tensor++]!.capacity;
    const { capacity, data } = tensors[tensor]!;
    for (let head = 0; head < heads; head++) {
      const from = (head * capacity + token - first) * headDim;
      all.set(data.subarray(from, from + headDim), (head * chosen.length + t) * headDim);
    }
  }
  return all;
}
