/**
 * A tensor of a GGUF file, read when it is asked for.
 *
 * @module
 */
import type { StoredTensor } from "../checkpoint.ts";
import type { ModelFile } from "../model_file.ts";
import type { GgufTensor } from "./header.ts";
import { tensorTypes } from "./tensor_types.ts";

/**
 * A tensor of an open file.
 *
 * @param heads how many heads the rows belong to, where they were permuted, see `unpermuted`
 */
export function storedTensor(file: ModelFile, tensor: GgufTensor, heads?: number): StoredTensor {
  const { type, shape, at, bytes } = tensor;
  const count = shape.reduce((product, size) => product * size, 1);
  return {
    path: file.path,
    dtype: type,
    shape,
    bytes: () => file.read(at, bytes),
    values: (stored) => {
      const values = new Float32Array(count);
      tensorTypes[type].restore(stored, values);
      return heads === undefined ? values : unpermuted(values, shape[0]!, heads);
    },
  };
}

/**
 * Rows in huggingface/transformers' order. Files of llama models have the two rows that a rotation
 * turns next to each other, within each head (ggml-org/llama.cpp, convert_hf_to_gguf.py, `permute`);
 * there they are half a head apart.
 */
function unpermuted(
  values: Float32Array<ArrayBuffer>,
  rows: number,
  heads: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  const columns = values.length / rows;
  const headDim = rows / heads;
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const target = row - within + within % 2 * (headDim / 2) + (within >> 1);
    out.set(values.subarray(row * columns, (row + 1) * columns), target * columns);
  }
  return out;
}
