/**
 * KV tensors in GPU buffers. Every operation is submitted as it is called, so that it keeps its order
 * with the kernels that others submit to the same queue.
 *
 * @module
 */
import tokenSquaresKernel from "./token_squares.wgsl" with { type: "text" };
import { bindBuffers, computePipeline, WORKGROUP_THREADS } from "./compute_pipelines.ts";
import type { Backend, GpuTensor, KvShape } from "../tensor.ts";

const FLOAT_BYTES = 4;

/** Most workgroups WebGPU guarantees along one dimension. */
const MAX_WORKGROUPS = 65535;

/** Scratch buffers kept for reuse: keys and values of 64 layers. */
const POOL_SIZE = 128;

/** What the buffer of a tensor must be usable for. */
function tensorUsage(): number {
  return GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
}

/** GPU buffers of one device. */
export class GpuBackend implements Backend<GpuTensor> {
  readonly name = "gpu";
  /** How to free buffers that somebody else allocated, and scratch buffers to keep. */
  readonly #adopted = new WeakMap<GPUBuffer, () => void>();
  readonly #scratch = new WeakSet<GPUBuffer>();
  readonly #pool: GPUBuffer[] = [];

  constructor(readonly device: GPUDevice) {}

  alloc(shape: KvShape): GpuTensor {
    return this.#tensor(shape, this.#buffer(bytesOf(shape)));
  }

  scratch(shape: KvShape): GpuTensor {
    const bytes = bytesOf(shape);
    const fits = this.#pool.findIndex((buffer) => buffer.size >= bytes);
    if (fits >= 0) return this.#tensor(shape, this.#pool.splice(fits, 1)[0]!);
    this.#pool.shift()?.destroy();
    // Snapshots of the next example are seldom much longer; a little room avoids most new buffers.
    const roomy = Math.min(
      FLOAT_BYTES * Math.ceil(bytes * 1.25 / FLOAT_BYTES),
      this.#largestBinding(),
    );
    const buffer = this.#buffer(Math.max(bytes, roomy));
    this.#scratch.add(buffer);
    return this.#tensor(shape, buffer);
  }

  upload(data: Float32Array<ArrayBuffer>, shape: KvShape): GpuTensor {
    const tensor = this.alloc(shape);
    this.device.queue.writeBuffer(tensor.buffer, 0, data);
    return tensor;
  }

  /**
   * A tensor in a buffer that somebody else allocated.
   * @param release called when the tensor is freed
   */
  adopt(buffer: GPUBuffer, shape: KvShape, release: () => void): GpuTensor {
    this.#adopted.set(buffer, release);
    return this.#tensor(shape, buffer);
  }

  copy(source: GpuTensor, from: number, count: number, target: GpuTensor, at: number): void {
    if (count === 0) return;
    const { heads, headDim } = source;
    const bytes = count * headDim * FLOAT_BYTES;
    const encoder = this.device.createCommandEncoder();
    // WebGPU copies between different buffers only.
    const detour = source.buffer === target.buffer ? this.#buffer(heads * bytes) : undefined;
    for (let head = 0; head < heads; head++) {
      const start = (head * source.capacity + from) * headDim * FLOAT_BYTES;
      const to = (head * target.capacity + at) * headDim * FLOAT_BYTES;
      if (detour === undefined) {
        encoder.copyBufferToBuffer(source.buffer, start, target.buffer, to, bytes);
      } else {
        encoder.copyBufferToBuffer(source.buffer, start, detour, head * bytes, bytes);
        encoder.copyBufferToBuffer(detour, head * bytes, target.buffer, to, bytes);
      }
    }
    this.device.queue.submit([encoder.finish()]);
    detour?.destroy();
  }

  async read(tensor: GpuTensor): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.#readBytes(tensor.buffer, bytesOf(tensor)));
  }

  async tokenSquares(
    pairs: readonly {
      readonly real: GpuTensor;
      readonly restored: GpuTensor;
      readonly tokens: number;
    }[],
  ): Promise<{ readonly error: Float64Array; readonly norm: Float64Array }[]> {
    const { device } = this;
    const total = pairs.reduce((sum, { tokens }) => sum + tokens, 0);
    if (total === 0) {
      return pairs.map(() => ({ error: new Float64Array(), norm: new Float64Array() }));
    }
    const pipeline = computePipeline(
      device,
      "token squares",
      "token_squares",
      [tokenSquaresKernel],
      { workgroup_threads: WORKGROUP_THREADS },
    );
    const results = this.#buffer(total * 2 * FLOAT_BYTES);
    const jobs: GPUBuffer[] = [];
    try {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      let first = 0;
      for (const { real, restored, tokens } of pairs) {
        if (tokens === 0) continue;
        const job = uniform(device, [
          real.heads,
          real.headDim,
          real.capacity,
          restored.capacity,
          tokens,
          first,
        ]);
        jobs.push(job);
        const buffers = [real.buffer, restored.buffer, results, job];
        pass.setBindGroup(0, bindBuffers(device, pipeline, buffers));
        const rows = Math.ceil(tokens / MAX_WORKGROUPS);
        pass.dispatchWorkgroups(Math.ceil(tokens / rows), rows);
        first += tokens;
      }
      pass.end();
      device.queue.submit([encoder.finish()]);
      const sums = new Float32Array(await this.#readBytes(results, total * 2 * FLOAT_BYTES));
      let at = 0;
      return pairs.map(({ tokens }) => {
        const start = at;
        at += tokens;
        return {
          error: Float64Array.from({ length: tokens }, (_, t) => sums[2 * (start + t)]!),
          norm: Float64Array.from({ length: tokens }, (_, t) => sums[2 * (start + t) + 1]!),
        };
      });
    } finally {
      results.destroy();
      for (const job of jobs) job.destroy();
    }
  }

  free({ buffer }: GpuTensor): void {
    const release = this.#adopted.get(buffer);
    if (release !== undefined) {
      this.#adopted.delete(buffer);
      release();
    } else if (this.#scratch.has(buffer) && this.#pool.length < POOL_SIZE) {
      this.#pool.push(buffer);
    } else {
      buffer.destroy();
    }
  }

  /** Frees the scratch buffers that are kept for reuse. */
  close(): void {
    for (const buffer of this.#pool.splice(0)) buffer.destroy();
  }

  #tensor({ heads, capacity, headDim }: KvShape, buffer: GPUBuffer): GpuTensor {
    return { heads, capacity, headDim, buffer };
  }

  #buffer(bytes: number): GPUBuffer {
    return this.device.createBuffer({ size: Math.max(FLOAT_BYTES, bytes), usage: tensorUsage() });
  }

  #largestBinding(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.device.limits;
    return Math.min(maxStorageBufferBindingSize, maxBufferSize);
  }

  async #readBytes(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const { device } = this;
    if (bytes === 0) return new ArrayBuffer(0);
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = device.createBuffer({ size: bytes, usage });
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }
}

function bytesOf({ heads, capacity, headDim }: KvShape): number {
  return heads * capacity * headDim * FLOAT_BYTES;
}

function uniform(device: GPUDevice, values: number[]): GPUBuffer {
  const words = new Uint32Array(values);
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: words.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, words);
  return buffer;
}
