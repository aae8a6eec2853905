/**
 * Where KV tensors live, and the few operations the replay needs on them.
 *
 * A KV tensor holds the keys or the values of one layer for one sequence: float32, laid out
 * `[heads, capacity, headDim]`, row-major. `capacity` is the number of tokens there is room for;
 * the caller knows how many of them are filled.
 *
 * @module
 */

/** Shape of one layer's keys or values. */
export interface KvShape {
  /** Number of KV heads. */
  readonly heads: number;
  /** Tokens there is room for. */
  readonly capacity: number;
  /** Channels of one head. */
  readonly headDim: number;
}

/** A KV tensor in host memory. */
export interface CpuTensor extends KvShape {
  /** `[heads, capacity, headDim]`, row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** A KV tensor in a GPU buffer (usage STORAGE | COPY_SRC | COPY_DST). */
export interface GpuTensor extends KvShape {
  /** `[heads, capacity, headDim]` in float32, row-major. */
  readonly buffer: GPUBuffer;
}

/** A half-open range of token positions, `from <= t < to`. */
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
  /** The whole tensor in host memory. */
  read(tensor: T): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Per-token squares, summed over heads and channels, of each pair's first `tokens` positions:
   * `error[t] = sum (real - restored)^2`, and `norm[t] = sum real^2`.
   */
  tokenSquares(
    pairs: readonly { readonly real: T; readonly restored: T; readonly tokens: number }[],
  ): Promise<{ readonly error: Float64Array; readonly norm: Float64Array }[]>;
  /** Frees the tensor's memory now. */
  free(tensor: T): void;
}
