/**
 * The packed cache of `qaq` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { QaqPackedGpu } from "./qaq_packed_gpu.ts";
import { qaqRange, type QaqSettings } from "./qaq_settings.ts";
import {
  checkAllJoined,
  joinPack,
  layerInPack,
  leavePack,
  type SharedPack,
  sourcesOfPack,
} from "./qaq_sharing.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

/** Store of `qaq` over GPU tensors; `settle` throws on non-finite input. */
export class QaqStoreGpu implements Store<GpuTensor> {
  readonly sizesNeedSettle = true;
  readonly #source: Source<GpuTensor>;
  readonly #settings: QaqSettings;
  readonly #shared: SharedPack<QaqPackedGpu>;
  readonly #layer: number;
  #quantized: TokenRange;
  #freed = false;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: QaqSettings,
    tokens: number,
  ) {
    this.#source = source;
    this.#settings = settings;
    this.#layer = layerInPack(source, settings);
    this.#quantized = qaqRange(settings, 0);
    this.#shared = joinPack(
      source,
      settings,
      () => new QaqPackedGpu(device, sourcesOfPack(source, settings), settings, tokens),
    );
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

  restore(target: GpuTensor): void {
    this.#shared.pack.restore(this.#layer, target);
  }

  async settle(): Promise<void> {
    checkAllJoined(this.#source, this.#settings, this.#shared);
    await this.#shared.pack.settle();
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
    if (leavePack(this.#source, this.#settings, this.#shared)) this.#shared.pack.free();
  }
}
