/**
 * Tokens of a layer as they are restored, in host memory: each is made once, however often somebody
 * restores it. For stores whose tokens take a decoder of more than one layer, and never change.
 *
 * @module
 */
import type { CpuTensor, KvShape } from "../../tensor.ts";

/** See the module. */
export class RestoredTokens {
  readonly #tensor: CpuTensor;
  readonly #from: number;
  /** The first token that is not made yet. */
  #next: number;

  /** @param from the first token that is quantized */
  constructor({ heads, capacity, headDim }: KvShape, from: number) {
    this.#tensor = { heads, capacity, headDim, data: new Float32Array(heads * capacity * headDim) };
    this.#from = from;
    this.#next = from;
  }

  /**
   * Writes the tokens up to `to` into `target`.
   *
   * @param make restores the tokens `first .. to - 1` into a tensor
   */
  restore(to: number, target: CpuTensor, make: (first: number, tensor: CpuTensor) => void): void {
    // A snapshot may not reach beyond the sinks.
    if (to <= this.#from) return;
    if (to > this.#next) {
      make(this.#next, this.#tensor);
      this.#next = to;
    }
    const { heads, capacity, headDim, data } = this.#tensor;
    for (let head = 0; head < heads; head++) {
      const [first, end] = [head * capacity + this.#from, head * capacity + to];
      const at = (head * target.capacity + this.#from) * headDim;
      target.data.set(data.subarray(first * headDim, end * headDim), at);
    }
  }
}
