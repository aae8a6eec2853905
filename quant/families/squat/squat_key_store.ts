/**
 * Keys under `squat`: corrected in a scratch tensor, then stored as KIVI stores keys.
 *
 * @module
 */
import { affineRange, type AffineSettings } from "../../stores/affine/affine_settings.ts";
import type { BufferContents, Store, StoredBuffer } from "../../family.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";

/** Corrects keys, on one backend. */
export interface KeyCorrector<T extends KvShape> {
  /** The corrected keys, filled as far as `correct` was called. */
  readonly corrected: T;
  /** Corrects the tokens `from <= t < to`, a whole number of groups. */
  correct(from: number, to: number): void;
  /** Rotates restored keys, if they were quantized before RoPE. */
  rotate(target: T, range: TokenRange): void;
  /** Waits for device work; throws on non-finite input. */
  settle(): Promise<void>;
  free(): void;
}

/** The store of corrected keys, on any backend. */
export class SquatKeyStore<T extends KvShape> implements Store<T> {
  readonly #settings: AffineSettings;
  readonly #corrector: KeyCorrector<T>;
  readonly #store: Store<T>;

  /**
   * @param store the packed cache over the corrector's tensor
   */
  constructor(settings: AffineSettings, corrector: KeyCorrector<T>, store: Store<T>) {
    this.#settings = settings;
    this.#corrector = corrector;
    this.#store = store;
  }

  get quantized(): TokenRange {
    return this.#store.quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const { to } = affineRange(this.#settings, n);
    const from = this.#store.quantized.to;
    if (to > from) this.#corrector.correct(from, to);
    this.#store.grow(n);
  }

  restore(target: T): void {
    this.#store.restore(target);
    this.#corrector.rotate(target, this.#store.quantized);
  }

  async settle(): Promise<void> {
    // First, because what it finds are the entries that were given.
    await this.#corrector.settle();
    await this.#store.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return this.#store.buffers(n);
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.#store.contents();
  }

  free(): void {
    this.#corrector.free();
    this.#store.free();
  }
}
