/**
 * Channels less their mean and times their scale, as they meet the axes, in WebAssembly with vector
 * instructions. `centred_rows.wat` is the source of the binary beside it; a test assembles it anew and
 * compares.
 *
 * @module
 */
import { memoryViews } from "../../numerics/wasm_memory.ts";
import type { CpuTensor } from "../../tensor.ts";
import { centre, memory } from "./centred_rows.wasm";

/**
 * `rows[t][h * headDim + d] = (x - mean[h * headDim + d]) * scales[h * headDim + d]` in float32, where
 * `x` is channel `d` of head `firstHead + h` at token `token + t`.
 *
 * @param mean of the channels of some heads, `[channels]`
 * @param scales `[channels]`
 * @param rows `[count][width]`, filled; what is behind the channels is 0
 * @param width at least as many as there are channels
 * @returns false where a value is not finite
 */
export function centreRows(
  { data, capacity, headDim }: CpuTensor,
  firstHead: number,
  token: number,
  mean: Float32Array,
  scales: Float32Array,
  rows: Float32Array,
  width: number,
): boolean {
  const channels = mean.length;
  const count = rows.length / width;
  const scalesAt = 4 * channels;
  const valuesAt = 2 * scalesAt;
  const rowsAt = valuesAt + 4 * count * headDim;
  const { floats } = memoryViews(memory, rowsAt + 4 * rows.length);
  floats.set(mean);
  floats.set(scales, scalesAt / 4);
  if (width > channels) floats.fill(0, rowsAt / 4, rowsAt / 4 + rows.length);
  for (let first = 0, head = firstHead; first < channels; first += headDim, head++) {
    const from = (head * capacity + token) * headDim;
    floats.set(data.subarray(from, from + count * headDim), valuesAt / 4);
    const [own, out] = [4 * first, rowsAt + 4 * first];
    if (!centre(valuesAt, count, headDim, own, scalesAt + own, out, 4 * width)) return false;
  }
  rows.set(floats.subarray(rowsAt / 4, rowsAt / 4 + rows.length));
  return true;
}
