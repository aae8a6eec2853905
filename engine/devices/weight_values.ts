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

/**
 * A weight in memory of its own, in its type.
 *
 * @param saturated is told how many values are beyond float16; they become the largest there are
 */
export async function weightBuffer(
  { dims, type, parts, transposed }: GraphWeight,
  tensors: Tensors,
  saturated?: (values: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  let values = new Float32Array(dims.reduce((product, size) => product * size, 1));
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
  if (transposed) values = transposeOf(values, dims.at(-1)!);
  if (type === "float32") return new Uint8Array(values.buffer);
  const beyond = saturate(values);
  if (beyond > 0) saturated?.(beyond);
  return new Uint8Array(new Float16Array(values).buffer);
}

/** Rows that are turned together: as many lines as the cache holds at once. */
const TOGETHER = 64;

/** A matrix of sizes `[columns, rows]` from one of `[rows, columns]`. */
function transposeOf(
  matrix: Float32Array<ArrayBuffer>,
  rows: number,
): Float32Array<ArrayBuffer> {
  const columns = matrix.length / rows;
  const turned = new Float32Array(matrix.length);
  for (let first = 0; first < rows; first += TOGETHER) {
    const end = Math.min(rows, first + TOGETHER);
    for (let column = 0; column < columns; column++) {
      let from = first * columns + column;
      for (let to = column * rows + first; to < column * rows + end; to++) {
        turned[to] = matrix[from]!;
        from += columns;
      }
    }
  }
  return turned;
}

/** The largest number that float16 has. */
const MOST = 65504;

/** Brings values into the range of float16, and counts those that were not in it. */
function saturate(values: Float32Array): number {
  let beyond = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value <= MOST && value >= -MOST) continue;
    // NaN stays: the engine refuses what it makes of it.
    values[i] = Math.max(-MOST, Math.min(MOST, value));
    beyond++;
  }
  return beyond;
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

function tensorOf(tensors: Tensors, name: string): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new InternalError(`The model has no tensor "${name}"`);
  return tensor;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
