/**
 * A store under the rule of Transformers' `QuantizedCache` (quantized_cache.ts): one block of packed
 * tokens, which is replaced by a new one, quantized from the restored old one and the exact tokens
 * since, every `residualLength` tokens.
 *
 * Exact tokens are the residual and, where groups do not fit the length, the few tokens at the end of
 * the block that fill no group: the official code fails for such lengths, or joins entries of
 * different heads. They are exact until a later block takes them in.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import type { PackedBlock } from "./packed_block.ts";
import { requantizationPeriod, storedTokens } from "./quantized_cache.ts";
import type { Backend, KvShape, TokenRange } from "../../tensor.ts";

/** Quantizes the first `tokens` tokens of `tensor`, as far as they fill groups. */
export type QuantizeBlock<T extends KvShape> = (tensor: T, tokens: number) => PackedBlock<T>;

/** The re-quantizing store, on any backend. */
export class RequantizingStore<T extends KvShape> implements Store<T> {
  readonly carriesState = true;
  readonly #source: Source<T>;
  readonly #memory: Pick<Backend<T>, "alloc" | "copy" | "free">;
  readonly #residualLength: number;
  readonly #quantize: QuantizeBlock<T>;
  /** Buffers of every block there was, by the length of the cache that it was made from. */
  readonly #history = new Map<number, readonly StoredBuffer[]>();
  #block: PackedBlock<T> | undefined;
  #made = 0;
  /** Blocks that were replaced before their input was found to be finite. */
  #unchecked: PackedBlock<T>[] = [];
  #prefilled: number | undefined;

  /**
   * @param residualLength tokens after which the store is quantized again
   */
  constructor(
    source: Source<T>,
    memory: Pick<Backend<T>, "alloc" | "copy" | "free">,
    residualLength: number,
    quantize: QuantizeBlock<T>,
  ) {
    this.#source = source;
    this.#memory = memory;
    this.#residualLength = residualLength;
    this.#quantize = quantize;
  }

  get quantized(): TokenRange {
    return { from: 0, to: this.#block?.tokens ?? 0 };
  }

  rewrites(n: number): boolean {
    return this.#prefilled !== undefined && this.#stored(n) > this.#made;
  }

  grow(n: number): void {
    if (this.#prefilled === undefined) {
      this.#prefilled = n;
      this.#keep(n, this.#quantize(this.#source.tensor, n));
      return;
    }
    const last = this.#stored(n);
    while (this.#made < last) {
      this.#requantize(this.#made + requantizationPeriod(this.#residualLength));
    }
  }

  restore(target: T): void {
    this.#block?.restore(target);
  }

  async settle(): Promise<void> {
    const unchecked = this.#unchecked;
    this.#unchecked = [];
    try {
      for (const block of unchecked) await block.settle();
    } finally {
      for (const block of unchecked) block.free();
    }
    await this.#block?.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    if (this.#prefilled === undefined) return [];
    return this.#history.get(this.#stored(n)) ?? [];
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.#block?.contents() ?? Promise.resolve([]);
  }

  free(): void {
    for (const block of this.#unchecked) block.free();
    this.#unchecked = [];
    this.#block?.free();
  }

  #stored(n: number): number {
    return storedTokens(this.#prefilled!, n, this.#residualLength);
  }

  #keep(made: number, block: PackedBlock<T>): void {
    this.#block = block;
    this.#made = made;
    this.#history.set(made, block.buffers);
  }

  /** Quantizes the restored block and the exact tokens behind it, `n` tokens in all. */
  #requantize(n: number): void {
    const old = this.#block!;
    const { heads, headDim } = this.#source.tensor;
    const values = this.#memory.alloc({ heads, capacity: n, headDim });
    old.restore(values);
    this.#memory.copy(this.#source.tensor, old.tokens, n - old.tokens, values, old.tokens);
    this.#keep(n, this.#quantize(values, n));
    this.#unchecked.push(old);
    this.#memory.free(values);
  }
}
