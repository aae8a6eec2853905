/**
 * KV tensors in GPU buffers. Every operation is submitted as it is called, so that it keeps its order
 * with the kernels that others submit to the same queue.
 *
 * @module
 */
import tokenSquares from "./token_squares.wgsl" with { type: "text" };
import { Kernels } from "./kernels.ts";
import { Workbench } from "./workbench.ts";
import type { Backend, GpuTensor, KvShape } from "../tensor.ts";

const FLOAT_BYTES = 4;

/** Scratch buffers kept for reuse: keys and values of 64 layers. */
const POOL_SIZE = 128;

/** GPU buffers of one device. */
export class GpuBackend implements Backend<GpuTensor> {
  readonly name = "gpu";
  /** Tensors whose buffers are kept when they are freed. */
  readonly #scratch = new WeakSet<GpuTensor>();
  readonly #pool: GPUBuffer[] = [];
  readonly #bench: Workbench;

  constructor(device: GPUDevice) {
    this.#bench = Workbench.of(device);
  }

  alloc(shape: KvShape): GpuTensor {
    return this.#tensor(shape, this.#bench.buffer("tensor", entriesOf(shape)));
  }

  scratch(shape: KvShape): GpuTensor {
    const entries = entriesOf(shape);
    const fits = this.#pool.findIndex((buffer) => buffer.size >= FLOAT_BYTES * entries);
    if (fits >= 0) return this.#scratchIn(shape, this.#pool.splice(fits, 1)[0]!);
    this.#bench.free(...this.#pool.splice(0, 1));
    // Snapshots of the next example are seldom much longer; a little room avoids most new buffers.
    const largest = Math.floor(this.#bench.largestBinding / FLOAT_BYTES);
    const roomy = Math.min(Math.ceil(entries * 1.25), largest);
    const buffer = this.#bench.buffer("scratch", Math.max(entries, roomy));
    return this.#scratchIn(shape, buffer);
  }

  #scratchIn(shape: KvShape, buffer: GPUBuffer): GpuTensor {
    const tensor = this.#tensor(shape, buffer);
    this.#scratch.add(tensor);
    return tensor;
  }

  upload(data: Float32Array<ArrayBuffer>, shape: KvShape): GpuTensor {
    return this.#tensor(shape, this.#bench.buffer("tensor", data));
  }

  copy(source: GpuTensor, from: number, count: number, target: GpuTensor, at: number): void {
    if (count === 0) return;
    const { heads, headDim } = source;
    const entries = count * headDim;
    const bench = this.#bench;
    bench.batch(() => {
      // WebGPU copies between different buffers only.
      const detour = source.buffer === target.buffer
        ? bench.buffer("detour", heads * entries)
        : undefined;
      for (let head = 0; head < heads; head++) {
        const start = (head * source.capacity + from) * headDim;
        const to = (head * target.capacity + at) * headDim;
        if (detour === undefined) {
          bench.copy(source.buffer, start, target.buffer, to, entries);
        } else {
          bench.copy(source.buffer, start, detour, head * entries, entries);
          bench.copy(detour, head * entries, target.buffer, to, entries);
        }
      }
      if (detour !== undefined) bench.free(detour);
    });
  }

  async read(tensor: GpuTensor): Promise<Float32Array<ArrayBuffer>> {
    return await this.#floats(tensor.buffer, entriesOf(tensor));
  }

  async tokenSquares(
    pairs: readonly {
      readonly real: GpuTensor;
      readonly restored: GpuTensor;
      readonly tokens: number;
    }[],
  ): Promise<{ readonly error: Float64Array; readonly norm: Float64Array }[]> {
    const bench = this.#bench;
    const counts = pairs.map(({ real, tokens }) => real.heads * tokens);
    const total = counts.reduce((a, b) => a + b, 0);
    const kernels = Kernels.of(bench.device, "token squares", [tokenSquares]);
    const results = bench.buffer("squares", total * 2);
    try {
      bench.batch(() => {
        let first = 0;
        for (const [i, { real, restored, tokens }] of pairs.entries()) {
          kernels.run("token_squares", { workgroups: counts[i]! }, {
            job: {
              heads: real.heads,
              head_dim: real.headDim,
              real_capacity: real.capacity,
              restored_capacity: restored.capacity,
              tokens,
              first_result: first,
            },
            real: real.buffer,
            restored: restored.buffer,
            results,
          });
          first += counts[i]!;
        }
      });
      const sums = await this.#floats(results, total * 2);
      let at = 0;
      return counts.map((length) => {
        const start = at;
        at += length;
        return {
          error: Float64Array.from({ length }, (_, i) => sums[2 * (start + i)]!),
          norm: Float64Array.from({ length }, (_, i) => sums[2 * (start + i) + 1]!),
        };
      });
    } finally {
      bench.free(results);
    }
  }

  free(tensor: GpuTensor): void {
    const { buffer } = tensor;
    if (this.#scratch.delete(tensor) && this.#pool.length < POOL_SIZE) {
      this.#pool.push(buffer);
    } else {
      this.#bench.free(buffer);
    }
  }

  together<R>(body: () => R): R {
    return this.#bench.batch(body);
  }

  /** Frees the scratch buffers that are kept for reuse. */
  close(): void {
    this.#bench.free(...this.#pool.splice(0));
  }

  #tensor({ heads, capacity, headDim }: KvShape, buffer: GPUBuffer): GpuTensor {
    return { heads, capacity, headDim, buffer };
  }

  async #floats(buffer: GPUBuffer, words: number): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array((await this.#bench.read([{ buffer, at: 0, words }])).buffer);
  }
}

function entriesOf({ heads, capacity, headDim }: KvShape): number {
  return heads * capacity * headDim;
}
