/**
 * What predictions leave of rows, and rows from what was left, in WebAssembly with vector instructions.
 * `residual_rows.wat` is the source of the binary beside it; a test assembles it anew and compares.
 *
 * @module
 */
import { memoryViews } from "../../numerics/wasm_memory.ts";
import type { CpuTensor } from "../../tensor.ts";
import { memory, put_back, take_off } from "./residual_rows.wasm";

/** Entries that are added at once. */
const LANES = 4;

/**
 * `left[t][head * headDim + d]`: channel `d` of a head at token `token + t`, within half precision, less
 * what it was predicted to be.
 *
 * @param predicted `[count][heads * headDim]`
 * @param left the same, filled
 */
export function takeOff(
  { heads, capacity, headDim, data }: CpuTensor,
  token: number,
  predicted: Float32Array,
  left: Float32Array,
): void {
  const channels = heads * headDim;
  const count = left.length / channels;
  const leftAt = 4 * left.length;
  const valuesAt = 2 * leftAt;
  const { floats } = memoryViews(memory, valuesAt + 4 * count * headDim);
  floats.set(predicted);
  for (let head = 0; head < heads; head++) {
    const from = (head * capacity + token) * headDim;
    floats.set(data.subarray(from, from + count * headDim), valuesAt / 4);
    const own = 4 * head * headDim;
    take_off(valuesAt, count, headDim, own, leftAt + own, 4 * channels);
  }
  left.set(floats.subarray(leftAt / 4, valuesAt / 4));
}

/**
 * `rows[i] = left[i] + predicted[i]`, within half precision.
 *
 * @param predicted as many as there are of `left`
 * @param rows filled
 */
export function putBack(left: Float32Array, predicted: Float32Array, rows: Float32Array): void {
  const padded = Math.ceil(left.length / LANES) * LANES;
  const { floats } = memoryViews(memory, 8 * padded);
  floats.set(left);
  floats.set(predicted, padded);
  put_back(0, 4 * padded, 4 * padded);
  rows.set(floats.subarray(0, left.length));
}
