/**
 * KV tensors in host memory.
 *
 * @module
 */
import type { Backend, CpuTensor, KvShape } from "./tensor.ts";

/** Plain typed arrays. */
export class CpuBackend implements Backend<CpuTensor> {
  readonly name = "cpu";
  readonly #pool: ArrayBuffer[] = [];
  readonly #scratch = new WeakSet<CpuTensor>();

  /** @param freed is told of every tensor that is freed */
  constructor(private readonly freed?: (tensor: CpuTensor) => void) {}

  scratch({ heads, capacity, headDim }: KvShape): CpuTensor {
    const count = heads * capacity * headDim;
    const fits = this.#pool.findIndex((b) => b.byteLength >= 4 * count);
    // Snapshots of the next example are seldom much longer; a little room avoids most new buffers.
    const buffer = fits >= 0
      ? this.#pool.splice(fits, 1)[0]!
      : new ArrayBuffer(4 * Math.ceil(count * 1.25));
    if (fits < 0) this.#pool.shift();
    const tensor = { heads, capacity, headDim, data: new Float32Array(buffer, 0, count) };
    this.#scratch.add(tensor);
    return tensor;
  }

  alloc({ heads, capacity, headDim }: KvShape): CpuTensor {
    return { heads, capacity, headDim, data: new Float32Array(heads * capacity * headDim) };
  }

  upload(data: Float32Array<ArrayBuffer>, { heads, capacity, headDim }: KvShape): CpuTensor {
    return { heads, capacity, headDim, data };
  }

  copy(source: CpuTensor, from: number, count: number, target: CpuTensor, at: number): void {
    const { headDim } = source;
    for (let head = 0; head < source.heads; head++) {
      const start = (head * source.capacity + from) * headDim;
      const to = (head * target.capacity + at) * headDim;
      target.data.set(source.data.subarray(start, start + count * headDim), to);
    }
  }

  read(tensor: CpuTensor): Promise<Float32Array<ArrayBuffer>> {
    return Promise.resolve(tensor.data);
  }

  tokenSquares(
    pairs: readonly {
      readonly real: CpuTensor;
      readonly restored: CpuTensor;
      readonly tokens: number;
    }[],
  ): Promise<{ readonly error: Float64Array; readonly norm: Float64Array }[]> {
    return Promise.resolve(pairs.map(({ real, restored, tokens }) => {
      const { heads, headDim } = real;
      const error = new Float64Array(heads * tokens);
      const norm = new Float64Array(heads * tokens);
      const [a, b] = [real.data, restored.data];
      for (let head = 0; head < heads; head++) {
        let i = head * real.capacity * headDim;
        let j = head * restored.capacity * headDim;
        for (let t = 0; t < tokens; t++) {
          let e = 0, n = 0;
          for (const end = i + headDim; i < end; i++, j++) {
            const x = a[i]!;
            const difference = x - b[j]!;
            e += difference * difference;
            n += x * x;
          }
          error[head * tokens + t] = e;
          norm[head * tokens + t] = n;
        }
      }
      return { error, norm };
    }));
  }

  free(tensor: CpuTensor): void {
    if (this.#scratch.delete(tensor)) this.#pool.push(tensor.data.buffer);
    this.freed?.(tensor);
  }

  together<R>(body: () => R): R {
    return body();
  }
}
