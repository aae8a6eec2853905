/**
 * Where KV tensors live, and the few operations the replay needs on them.
 *
 * A KV tensor holds the keys or the values of one layer for one sequence: float32, laid out
 * `[heads, capacity, headDim]`, row-major. `capacity` is the number of tokens there is room for;
 * the caller knows how many of them are filled.
 *
 * @module
 */

/**
 * Shape of one layer's keys or values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { KvShape } from "@kvreplay/kvreplay/quant";
 *
 * // Bytes of a layer's keys in full precision.
 * const bytes = ({ heads, capacity, headDim }: KvShape) => 2 * heads * capacity * headDim;
 * assertEquals(bytes({ heads: 8, capacity: 4096, headDim: 128 }), 8 * 2 ** 20);
 * ```
 */
export interface KvShape {
  /** Number of KV heads. */
  readonly heads: number;
  /** Tokens there is room for. */
  readonly capacity: number;
  /** Channels of one head. */
  readonly headDim: number;
}

/**
 * A KV tensor in cpu memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CpuTensor } from "@kvreplay/kvreplay/quant";
 *
 * // The channels of one token in one head.
 * const row = ({ capacity, headDim, data }: CpuTensor, head: number, token: number) => {
 *   const at = (head * capacity + token) * headDim;
 *   return data.subarray(at, at + headDim);
 * };
 * const data = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
 * assertEquals([...row({ heads: 2, capacity: 2, headDim: 2, data }, 1, 0)], [4, 5]);
 * ```
 */
export interface CpuTensor extends KvShape {
  /** `[heads, capacity, headDim]`, row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * A KV tensor in a GPU buffer (usage STORAGE | COPY_SRC | COPY_DST).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CpuTensor, GpuTensor } from "@kvreplay/kvreplay/quant";
 *
 * // Brings a tensor to where `quantize` runs the kernels.
 * function upload(device: GPUDevice, { data, ...shape }: CpuTensor): GpuTensor {
 *   const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
 *   const buffer = device.createBuffer({ size: data.byteLength, usage });
 *   device.queue.writeBuffer(buffer, 0, data);
 *   return { ...shape, buffer };
 * }
 * const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
 * const keys = { heads: 1, capacity: 2, headDim: 64, data: new Float32Array(2 * 64) };
 * if (device !== undefined) {
 *   assertEquals(upload(device, keys).buffer.size, 512);
 *   device.destroy();
 * }
 * ```
 */
export interface GpuTensor extends KvShape {
  /** `[heads, capacity, headDim]` in float32, row-major. */
  readonly buffer: GPUBuffer;
}

/**
 * A half-open range of token positions, `from <= t < to`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quantize, type TokenRange } from "@kvreplay/kvreplay/quant";
 *
 * const length = ({ from, to }: TokenRange) => to - from;
 * const keys = { heads: 1, capacity: 100, headDim: 64, data: new Float32Array(100 * 64).fill(1) };
 * // Keys fill whole groups of 32 tokens; the rest stays exact.
 * const { quantized } = await quantize(keys, { family: "kivi", bits: 2 });
 * assertEquals(length(quantized), 96);
 * ```
 */
export interface TokenRange {
  /** First position. */
  readonly from: number;
  /** Position behind the last. */
  readonly to: number;
}

/** Memory of one kind of machine, as the replay loop sees it. */
export interface Backend<T extends KvShape> {
  readonly name: "cpu" | "gpu";
  /** A new tensor, filled with zeros. */
  alloc(shape: KvShape): T;
  /**
   * A tensor of unspecified contents, for work that overwrites all of it; memory that was freed
   * before is used again.
   */
  scratch(shape: KvShape): T;
  /** A new tensor holding `data`, laid out `[heads, capacity, headDim]`. */
  upload(data: Float32Array<ArrayBuffer>, shape: KvShape): T;
  /** Copies `count` tokens of every head from position `from` of `source` to position `at` of `target`. */
  copy(source: T, from: number, count: number, target: T, at: number): void;
  /** The whole tensor in cpu memory. */
  read(tensor: T): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Squares of every head and token, `[heads, tokens]`, summed over channels, of each pair's first
   * `tokens` positions: `error = sum (real - restored)^2`, and `norm = sum real^2`.
   */
  tokenSquares(
    pairs: readonly { readonly real: T; readonly restored: T; readonly tokens: number }[],
  ): Promise<{ readonly error: Float64Array; readonly norm: Float64Array }[]>;
  /** Frees the tensor's memory now. */
  free(tensor: T): void;
  /** Hands a device everything that `body` has it do in one go. */
  together<R>(body: () => R): R;
}
