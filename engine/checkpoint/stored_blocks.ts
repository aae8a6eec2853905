/**
 * Reading a stored tensor in blocks, so that a large one is never in memory as a whole.
 *
 * @module
 */
import type { StoredTensor } from "./checkpoint.ts";
import type { ModelFile } from "./model_file.ts";

/** Bytes of a block: more make nothing faster. */
const BLOCK = 2 ** 23;

/**
 * Bytes `at .. at + bytes` of a file in blocks, all of them in the same memory.
 *
 * @param unit bytes that stay together, a divisor of `bytes`
 * @param block bytes of a block, as far as what must stay together allows
 */
export async function* storedBlocks(
  file: ModelFile,
  at: number,
  bytes: number,
  unit: number,
  block = BLOCK,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const most = Math.min(bytes, Math.max(unit, block - block % unit));
  const memory = new Uint8Array(most);
  for (let done = 0; done < bytes; done += most) {
    const count = Math.min(most, bytes - done);
    yield await file.read(at + done, count, memory.subarray(0, count));
  }
}

/** How many values a tensor has. */
export function valueCount({ shape }: Pick<StoredTensor, "shape">): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The values of a tensor in float32, row-major, in blocks that take turns in one piece of memory. */
export async function* valueBlocks(
  tensor: StoredTensor,
): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const perByte = valueCount(tensor) / tensor.storedBytes;
  let memory: Float32Array<ArrayBuffer> | undefined;
  for await (const block of tensor.blocks()) {
    const count = block.length * perByte;
    memory ??= new Float32Array(count);
    const values = memory.subarray(0, count);
    tensor.restore(block, values);
    yield values;
  }
}

/**
 * Every value of a tensor, in float32, row-major.
 *
 * @param out takes them; absent for memory of their own
 */
export async function readValues(
  tensor: StoredTensor,
  out: Float32Array<ArrayBuffer> = new Float32Array(valueCount(tensor)),
): Promise<Float32Array<ArrayBuffer>> {
  const perByte = valueCount(tensor) / tensor.storedBytes;
  let done = 0;
  for await (const block of tensor.blocks()) {
    const count = block.length * perByte;
    tensor.restore(block, out.subarray(done, done + count));
    done += count;
  }
  return out;
}
