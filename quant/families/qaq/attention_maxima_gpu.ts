/**
 * The largest attention weight that keys receive from the last few queries, on a GPU.
 *
 * @module
 */
import attention from "./attention.wgsl" with { type: "text" };
import {
  bindNumbered,
  computePipeline,
  dispatch,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Queries and keys of one layer. */
export interface AttentionInputs {
  readonly queries: GpuTensor;
  readonly keys: GpuTensor;
}

/**
 * The weights on the tokens `first .. first + tokens - 1` of a cache of `n` tokens, maximised over
 * the last `lastN` query rows and the query heads of each KV head: `[layers, kvHeads, tokens]`. The
 * caller frees the buffer.
 */
export function attentionMaxima(
  device: GPUDevice,
  layers: readonly AttentionInputs[],
  lastN: number,
  n: number,
  first: number,
  tokens: number,
): GPUBuffer {
  const storage = (words: number) =>
    device.createBuffer({ size: 4 * Math.max(1, words), usage: GPUBufferUsage.STORAGE });
  const { heads } = layers[0]!.keys;
  const maxima = storage(layers.length * heads * tokens);
  const firstRow = Math.max(0, n - lastN);
  const rows = n - firstRow;
  for (const [layer, { queries, keys }] of layers.entries()) {
    const job = device.createBuffer({
      size: 48,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    const words = Uint32Array.of(
      queries.heads,
      heads,
      keys.headDim,
      queries.capacity,
      keys.capacity,
      n,
      firstRow,
      rows,
      first,
      tokens,
      layer * heads * tokens,
      0,
    );
    new Float32Array(words.buffer)[11] = 1 / Math.sqrt(keys.headDim);
    device.queue.writeBuffer(job, 0, words);
    const sums = storage(2 * queries.heads * rows);
    const inputs = { 0: job, 1: queries.buffer, 2: keys.buffer, 3: sums };
    const sumRows = computePipeline(device, "attention", "sum_rows", [attention], {});
    const bound = bindNumbered(device, sumRows, inputs);
    dispatch(device, sumRows, bound, queries.heads * rows * WORKGROUP_THREADS);
    const largest = computePipeline(device, "attention", "largest_weights", [attention], {});
    const outputs = bindNumbered(device, largest, { ...inputs, 4: maxima });
    dispatch(device, largest, outputs, heads * tokens);
    job.destroy();
    sums.destroy();
  }
  return maxima;
}
