/**
 * The first tokens of a tensor.
 *
 * @module
 */
import type { CpuTensor } from "../quant/tensor.ts";

/** The first `count` tokens, `[heads, count, headDim]`. */
export function firstTokens(
  { heads, capacity, headDim, data }: CpuTensor,
  count: number,
): Float32Array<ArrayBuffer> {
  const entries = count * headDim;
  const some = new Float32Array(heads * entries);
  for (let head = 0; head < heads; head++) {
    const from = head * capacity * headDim;
    some.set(data.subarray(from, from + entries), head * entries);
  }
  return some;
}
