/**
 * Keys that a family quantizes before RoPE: the family sees the keys before RoPE, and what it
 * restores is rotated.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { preRopeOf } from "./rope_restore.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";

/** Rotates some tokens of restored keys in place. */
export type Rotate<T extends KvShape> = (
  keys: T,
  range: TokenRange,
  rope: { readonly cos: T; readonly sin: T },
) => void;

/** A store of keys before RoPE. */
export class RotatedStore<T extends KvShape> implements Store<T> {
  readonly #inner: Store<T>;
  readonly #rope: { readonly cos: T; readonly sin: T };

  /**
   * @param open opens the store of the keys before RoPE
   * @throws {QuantizerError} when the source does not have them
   */
  constructor(
    source: Source<T>,
    private readonly rotate: Rotate<T>,
    open: (source: Source<T>) => Store<T>,
  ) {
    const { tensor, rope } = preRopeOf(source);
    this.#rope = rope;
    this.#inner = open({ ...source, tensor });
  }

  get quantized(): TokenRange {
    return this.#inner.quantized;
  }

  get carriesState(): boolean {
    return this.#inner.carriesState ?? false;
  }

  get sizesNeedSettle(): boolean {
    return this.#inner.sizesNeedSettle ?? false;
  }

  rewrites(n: number): boolean {
    return this.#inner.rewrites(n);
  }

  grow(n: number): void {
    this.#inner.grow(n);
  }

  restore(target: T): void {
    this.#inner.restore(target);
    this.rotate(target, this.#inner.quantized, this.#rope);
  }

  settle(): Promise<void> {
    return this.#inner.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return this.#inner.buffers(n);
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.#inner.contents();
  }

  free(): void {
    this.#inner.free();
  }
}
