/**
 * Tokens of a layer as they are restored, in host memory: from the second time on that somebody
 * restores them, each is made once. Most caches are restored a single time, which needs no memory. For
 * stores whose tokens are dear to decode, and never change.
 *
 * @module
 */
import type { CpuTensor, KvShape } from "../../tensor.ts";

/** See the module. */
export class RestoredTokens {
  readonly #shape: KvShape;
  readonly #from: number;
  #asked = false;
  #tensor: CpuTensor | undefined;
  /** The first token that is not made yet. */
  #next: number;

  /** @param from the first token that is quantized */
  constructor({ heads, capacity, headDim }: KvShape, from: number) {
    this.#shape = { heads, capacity, headDim };
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
    if (!this.#asked) {
      make(this.#from, target);
      this.#asked = true;
      return;
    }
    const { heads, capacity, headDim } = this.#shape;
    this.#tensor ??= { ...this.#shape, data: new Float32Array(heads * capacity * headDim) };
    if (to > this.#next) {
      make(this.#next, this.#tensor);
      this.#next = to;
    }
    const { data } = this.#tensor;
    for (let head = 0; head < heads; head++) {
      const [first, end] = [head * capacity + this.#from, head * capacity + to];
      const at = (head * target.capacity + this.#from) * headDim;
      target.data.set(data.subarray(first * headDim, end * headDim), at);
    }
  }
}
