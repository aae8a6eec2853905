/**
 * A store that another thread holds. What it is asked is begun at once and waited for when it is
 * needed, so that stores of several threads work side by side.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../family.ts";
import type { CpuTensor, TokenRange } from "../tensor.ts";
import type { Grown } from "./messages.ts";
import type { PoolThread, Waited } from "./pool_thread.ts";
import type { SharedMemory } from "./shared_memory.ts";

/** A store on a thread of a pool. */
export class RemoteStore implements Store<CpuTensor> {
  readonly carriesState: boolean;
  readonly #buffers = new Map<number, Waited<readonly StoredBuffer[]>>();
  #grown: Grown = { quantized: { from: 0, to: 0 } };
  #growing: { readonly n: number; readonly grown: Waited<Grown> } | undefined;
  #restored: { readonly memory: SharedArrayBuffer; readonly written: Waited<void> } | undefined;

  /**
   * @param local the same store, without room for a token: it knows what does not depend on tokens
   */
  constructor(
    private readonly id: number,
    private readonly thread: PoolThread,
    private readonly memory: SharedMemory,
    private readonly source: Source<CpuTensor>,
    /** The sources that it may read. */
    private readonly read: readonly Source<CpuTensor>[],
    private readonly local: Store<CpuTensor>,
  ) {
    this.carriesState = local.carriesState ?? false;
  }

  get quantized(): TokenRange {
    this.finish();
    return this.#grown.quantized;
  }

  rewrites(n: number): boolean {
    this.finish();
    return n >= (this.#grown.rewritesAt ?? Infinity);
  }

  grow(n: number): void {
    this.finish();
    for (const { tensor, preRope, queries, keys } of this.read) {
      for (const read of [tensor, preRope, queries, keys]) {
        if (read !== undefined) this.memory.fill(read, Math.min(n, read.capacity));
      }
    }
    this.#growing = { n, grown: this.thread.ask<Grown>({ grow: this.id, n }) };
  }

  finish(): void {
    if (this.#growing === undefined) return;
    const { n, grown } = this.#growing;
    this.#growing = undefined;
    this.#grown = grown();
    const { buffers } = this.#grown;
    const waited = buffers === undefined
      ? this.thread.ask<readonly StoredBuffer[]>({ buffers: this.id, n })
      : () => buffers;
    this.#buffers.set(n, waited);
  }

  prepare(): void {
    if (this.#restored !== undefined) return;
    const { heads, headDim } = this.source.tensor;
    const room = this.quantized.to;
    const memory = this.memory.take(4 * heads * room * headDim);
    const written = this.thread.ask<void>({ restore: this.id, into: memory, room });
    this.#restored = { memory, written };
  }

  restore({ heads, capacity, headDim, data }: CpuTensor): void {
    this.prepare();
    const { memory, written } = this.#restored!;
    this.#restored = undefined;
    try {
      written();
      const { from, to } = this.quantized;
      const values = new Float32Array(memory);
      for (let head = 0; head < heads; head++) {
        const start = (head * to + from) * headDim;
        const end = (head + 1) * to * headDim;
        data.set(values.subarray(start, end), (head * capacity + from) * headDim);
      }
    } finally {
      this.memory.give(memory);
    }
  }

  settle(): Promise<void> {
    this.finish();
    return this.local.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    this.finish();
    const buffers = this.#buffers.get(n)?.() ?? [];
    this.#buffers.set(n, () => buffers);
    return buffers;
  }

  contents(): Promise<readonly BufferContents[]> {
    this.finish();
    return Promise.resolve(this.thread.ask<readonly BufferContents[]>({ contents: this.id })());
  }

  constants(): readonly ConstantBuffer[] {
    return this.local.constants?.() ?? [];
  }

  free(): void {
    // Answers that nobody waited for are taken in; what failed is freed all the same.
    const waits = [() => this.finish(), () => this.#restored?.written()];
    for (const wait of [...waits, ...this.#buffers.values()]) {
      try {
        wait();
      } catch { /* told to who asked */ }
    }
    if (this.#restored !== undefined) this.memory.give(this.#restored.memory);
    this.#restored = undefined;
    this.thread.tell({ free: this.id });
    this.local.free();
  }
}
