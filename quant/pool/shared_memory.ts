/**
 * Memory that the threads of a pool have together.
 *
 * @module
 */
import type { CpuTensor } from "../tensor.ts";
import type { SharedTensor } from "./messages.ts";

/** Buffers that are kept for the next who needs one. */
const MOST_SPARE = 64;

/** A copy, and how much of it is there. */
interface Copy {
  readonly tensor: SharedTensor;
  tokens: number;
}

/** Copies of tensors, made once each, and buffers for what is restored. */
export class SharedMemory {
  readonly #copies = new Map<CpuTensor, Copy>();
  readonly #spare: SharedArrayBuffer[] = [];

  /** @param nextId numbers tensors */
  constructor(private readonly nextId: () => number) {}

  /** A tensor as other threads may read it, as far as it was filled. */
  share(tensor: CpuTensor): SharedTensor {
    const known = this.#copies.get(tensor);
    if (known !== undefined) return known.tensor;
    const { heads, capacity, headDim, data } = tensor;
    const memory = new SharedArrayBuffer(data.byteLength);
    const shared: SharedTensor = { id: this.nextId(), heads, capacity, headDim, memory };
    this.#copies.set(tensor, { tensor: shared, tokens: 0 });
    return shared;
  }

  /** Copies what is there of a shared tensor: its first tokens, as the store of a snapshot reads them. */
  fill(tensor: CpuTensor, tokens: number): void {
    const copy = this.#copies.get(tensor);
    if (copy === undefined || copy.tokens >= tokens) return;
    const { heads, capacity, headDim, data } = tensor;
    const values = new Float32Array(copy.tensor.memory);
    for (let head = 0; head < heads; head++) {
      const from = (head * capacity + copy.tokens) * headDim;
      values.set(data.subarray(from, (head * capacity + tokens) * headDim), from);
    }
    copy.tokens = tokens;
  }

  /** Gives a copy up; its number, if there was one. */
  drop(tensor: CpuTensor): number | undefined {
    const id = this.#copies.get(tensor)?.tensor.id;
    this.#copies.delete(tensor);
    return id;
  }

  /** A buffer of at least so many bytes and of any contents. */
  take(bytes: number): SharedArrayBuffer {
    const fits = this.#spare.findIndex(({ byteLength }) => byteLength >= bytes);
    if (fits >= 0) return this.#spare.splice(fits, 1)[0]!;
    // The next cache is seldom much longer; a little room avoids most new buffers.
    return new SharedArrayBuffer(4 * Math.ceil(bytes / 4 * 1.25));
  }

  /** Takes a buffer back. */
  give(buffer: SharedArrayBuffer): void {
    this.#spare.push(buffer);
    if (this.#spare.length > MOST_SPARE) this.#spare.shift();
  }
}
