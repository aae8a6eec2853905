/**
 * A tensor of a GGUF file, read when it is asked for.
 *
 * @module
 */
import type { StoredTensor } from "../checkpoint.ts";
import type { ModelFile } from "../model_file.ts";
import { storedBlocks } from "../stored_blocks.ts";
import type { GgufTensor } from "./header.ts";
import { tensorTypes } from "./tensor_types.ts";

/**
 * A tensor of a file.
 *
 * @param heads how many heads the rows belong to, where they were permuted, see `unpermute`
 */
export function storedTensor(file: ModelFile, tensor: GgufTensor, heads?: number): StoredTensor {
  const { type, shape, at, bytes } = tensor;
  const { restore } = tensorTypes[type];
  // Rows of a head are put in order within a block.
  const unit = heads === undefined ? tensorTypes[type].bytes : bytes / heads;
  return {
    path: file.path,
    dtype: type,
    shape,
    storedBytes: bytes,
    blocks: () => storedBlocks(file, at, bytes, unit),
    restore: (block, out) => {
      if (heads === undefined) return restore(block, out);
      const values = new Float32Array(out.length);
      restore(block, values);
      unpermute(values, out, shape[0]! / heads, block.length / unit);
    },
  };
}

/**
 * Rows in huggingface/transformers' order. Files of llama models have the two rows that a rotation
 * turns next to each other, within each head (ggml-org/llama.cpp, convert_hf_to_gguf.py, `permute`);
 * there they are half a head apart.
 */
function unpermute(
  values: Float32Array,
  out: Float32Array,
  headDim: number,
  heads: number,
): void {
  const rows = heads * headDim;
  const columns = values.length / rows;
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const target = row - within + within % 2 * (headDim / 2) + (within >> 1);
    out.set(values.subarray(row * columns, (row + 1) * columns), target * columns);
  }
}
