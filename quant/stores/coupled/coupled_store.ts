/**
 * One layer's store where layers are coded together, on any backend: its share of the pack.
 *
 * @module
 */
import type {
  BufferContents,
  ConstantBuffer,
  Settings,
  Source,
  Store,
  StoredBuffer,
} from "../../family.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";
import {
  joinPack,
  type LayerPack,
  leavePack,
  notAlikeError,
  type SharedPack,
} from "./layer_pack.ts";

/** See the module. Non-finite input throws where the pack finds it: in `grow` or in `settle`. */
export class CoupledStore<T extends KvShape, S extends Settings> implements Store<T> {
  readonly sizesNeedSettle: boolean;
  readonly #source: Source<T>;
  readonly #settings: S;
  readonly #together: readonly Source<T>[];
  readonly #rangeOf: (settings: S, n: number) => TokenRange;
  readonly #shared: SharedPack<LayerPack<T>>;
  /** Index of the layer among those of the pack. */
  readonly #layer: number;
  #quantized: TokenRange;
  #freed = false;

  /**
   * @param together sources of the layers that are coded together, `source` among them
   * @param rangeOf which tokens of a snapshot are quantized (`Family.quantizedRange`)
   * @param open opens their pack, unless another layer has opened it
   */
  constructor(
    source: Source<T>,
    settings: S,
    together: readonly Source<T>[],
    rangeOf: (settings: S, n: number) => TokenRange,
    open: (sources: readonly Source<T>[]) => LayerPack<T>,
  ) {
    this.#source = source;
    this.#settings = settings;
    this.#together = together;
    this.#rangeOf = rangeOf;
    this.#layer = together.findIndex(({ layer }) => layer === source.layer);
    this.#quantized = rangeOf(settings, 0);
    this.#shared = joinPack(source, settings, together, () => open(together));
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
    this.#quantized = this.#rangeOf(this.#settings, n);
  }

  restore(target: T): void {
    this.#shared.pack.restore(this.#layer, target);
  }

  async settle(): Promise<void> {
    const missing = this.#together.find(({ layer }) => !this.#shared.layers.has(layer));
    if (missing !== undefined) throw notAlikeError(this.#settings, missing.layer);
    await this.#shared.pack.settle?.();
  }

  /** The first layer's store reports the buffers of all of them. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#layer === 0 ? this.#shared.pack.buffers(n) : [];
  }

  async contents(): Promise<readonly BufferContents[]> {
    return this.#layer === 0 ? await this.#shared.pack.contents() : [];
  }

  constants(): readonly ConstantBuffer[] {
    return this.#layer === 0 ? this.#shared.pack.constants?.() ?? [] : [];
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    if (leavePack(this.#source, this.#settings, this.#together, this.#shared)) {
      this.#shared.pack.free?.();
    }
  }
}
