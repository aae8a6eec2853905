/**
 * The largest attention weight that keys receive from the last few queries, on a GPU.
 *
 * @module
 */
import attention from "./attention.wgsl" with { type: "text" };
import { Kernels } from "../../gpu/kernels.ts";
import { Workbench } from "../../gpu/workbench.ts";
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
  const bench = Workbench.of(device);
  const kernels = Kernels.of(device, "attention", [attention]);
  const { heads } = layers[0]!.keys;
  const maxima = bench.buffer("attention", layers.length * heads * tokens);
  const firstRow = Math.max(0, n - lastN);
  const rows = n - firstRow;
  for (const [layer, { queries, keys }] of layers.entries()) {
    const rowSums = bench.buffer("row sums", 2 * queries.heads * rows);
    const bindings = {
      job: {
        query_heads: queries.heads,
        kv_heads: heads,
        head_dim: keys.headDim,
        query_capacity: queries.capacity,
        key_capacity: keys.capacity,
        cache_tokens: n,
        first_row: firstRow,
        rows,
        first,
        tokens,
        place: layer * heads * tokens,
        inverse_root: 1 / Math.sqrt(keys.headDim),
      },
      queries: queries.buffer,
      keys: keys.buffer,
      row_sums: rowSums,
      maxima,
    };
    kernels.run("sum_rows", { workgroups: queries.heads * rows }, bindings);
    kernels.run("largest_weights", { threads: heads * tokens }, bindings);
    bench.free(rowSums);
  }
  return maxima;
}
