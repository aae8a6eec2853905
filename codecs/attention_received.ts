/**
 * How much attention each token of a prompt received.
 *
 * @module
 */
import type { CpuTensor } from "../quant/tensor.ts";

/**
 * Attention of a layer's queries to its keys, softmax of `q k / sqrt(headDim)` over the keys up to the
 * query's own position, summed over the queries.
 *
 * @param queries after RoPE, `[queryHeads, capacity, headDim]`
 * @param keys after RoPE, `[kvHeads, capacity, headDim]`
 * @param tokens of the prompt
 * @returns `[queryHeads, tokens]`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { attentionReceived } from "./attention_received.ts";
 *
 * const flat = { heads: 1, capacity: 2, headDim: 1, data: new Float32Array(2) };
 * assertEquals(attentionReceived(flat, flat, 2), Float32Array.of(1.5, 0.5));
 * ```
 */
export function attentionReceived(
  queries: CpuTensor,
  keys: CpuTensor,
  tokens: number,
): Float32Array<ArrayBuffer> {
  const { headDim } = keys;
  const scale = 1 / Math.sqrt(headDim);
  const group = queries.heads / keys.heads;
  const received = new Float64Array(queries.heads * tokens);
  const weights = new Float64Array(tokens);
  for (let head = 0; head < queries.heads; head++) {
    const keyHead = Math.floor(head / group) * keys.capacity * headDim;
    for (let row = 0; row < tokens; row++) {
      const query = (head * queries.capacity + row) * headDim;
      let largest = -Infinity;
      for (let t = 0; t <= row; t++) {
        const key = keyHead + t * headDim;
        let sum = 0;
        for (let c = 0; c < headDim; c++) sum += queries.data[query + c]! * keys.data[key + c]!;
        weights[t] = sum * scale;
        if (weights[t]! > largest) largest = weights[t]!;
      }
      let total = 0;
      for (let t = 0; t <= row; t++) total += weights[t] = Math.exp(weights[t]! - largest);
      const at = head * tokens;
      for (let t = 0; t <= row; t++) received[at + t]! += weights[t]! / total;
    }
  }
  return Float32Array.from(received);
}
