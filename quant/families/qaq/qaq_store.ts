/**
 * One layer's store of `qaq`, on any backend: its share of the entries that are packed together.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { qaqRange, type QaqSettings } from "./qaq_settings.ts";
import {
  checkAllJoined,
  joinPack,
  layerInPack,
  leavePack,
  type SharedPack,
  sourcesOfPack,
} from "./qaq_sharing.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";

/** Packed entries of one layer or of all, on one backend. */
export interface QaqPack<T extends KvShape> {
  /** Quantizes what a snapshot of `n` tokens quantizes and is not yet packed. */
  grow(n: number): void;
  /** Restores the pack's layer number `layer`. */
  restore(layer: number, target: T): void;
  /** Waits for device work; absent where there is none. */
  settle?(): Promise<void>;
  buffers(n: number): readonly StoredBuffer[];
  contents(): readonly BufferContents[] | Promise<readonly BufferContents[]>;
  /** Frees device memory; absent where there is none. */
  free?(): void;
}

/** See the module. Non-finite input throws where the pack finds it: in `grow` or in `settle`. */
export class QaqStore<T extends KvShape> implements Store<T> {
  readonly sizesNeedSettle: boolean;
  readonly #source: Source<T>;
  readonly #settings: QaqSettings;
  readonly #shared: SharedPack<QaqPack<T>>;
  readonly #layer: number;
  #quantized: TokenRange;
  #freed = false;

  /**
   * @param open opens the pack of some layers, unless another layer has opened it
   */
  constructor(
    source: Source<T>,
    settings: QaqSettings,
    open: (sources: readonly Source<T>[]) => QaqPack<T>,
  ) {
    this.#source = source;
    this.#settings = settings;
    this.#layer = layerInPack(source, settings);
    this.#quantized = qaqRange(settings, 0);
    this.#shared = joinPack(source, settings, () => open(sourcesOfPack(source, settings)));
    this.sizesNeedSettle = this.#shared.pack.settle !== undefined;
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.#shared.pack.grow(n);
    this.#quantized = qaqRange(this.#settings, n);
  }

  restore(target: T): void {
    this.#shared.pack.restore(this.#layer, target);
  }

  async settle(): Promise<void> {
    checkAllJoined(this.#source, this.#settings, this.#shared);
    await this.#shared.pack.settle?.();
  }

  /** At the token level the first layer's store reports the buffers of all layers. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#layer === 0 ? this.#shared.pack.buffers(n) : [];
  }

  async contents(): Promise<readonly BufferContents[]> {
    return this.#layer === 0 ? await this.#shared.pack.contents() : [];
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    if (leavePack(this.#source, this.#settings, this.#shared)) this.#shared.pack.free?.();
  }
}
