/**
 * The weights of a graph, from the tensors of a checkpoint.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import type { StoredTensor } from "../checkpoint/checkpoint.ts";
import { readValues, valueBlocks, valueCount } from "../checkpoint/stored_blocks.ts";
import type { GraphWeight } from "../onnx/graph_builder.ts";

/** Tensors of a checkpoint by name. */
export type Tensors = ReadonlyMap<string, StoredTensor>;

/** A weight in memory of its own. */
export async function weightBuffer(
  { dims, parts }: GraphWeight,
  tensors: Tensors,
): Promise<Uint8Array<ArrayBuffer>> {
  const values = new Float32Array(dims.reduce((product, size) => product * size, 1));
  let at = 0;
  for (const part of parts) {
    if (typeof part !== "string") {
      values.set(part, at);
      at += part.length;
      continue;
    }
    const tensor = tensorOf(tensors, part);
    const count = valueCount(tensor);
    await readValues(tensor, values.subarray(at, at + count));
    at += count;
  }
  return new Uint8Array(values.buffer);
}

/** A weight in blocks, which are gone once the next is asked for. */
export async function* weightBlocks(
  { parts }: GraphWeight,
  tensors: Tensors,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const part of parts) {
    if (typeof part !== "string") yield bytesOf(part);
    else for await (const block of valueBlocks(tensorOf(tensors, part))) yield bytesOf(block);
  }
}

/** A tensor of a checkpoint. */
export function tensorOf(tensors: Tensors, name: string): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new InternalError(`The model has no tensor "${name}"`);
  return tensor;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
