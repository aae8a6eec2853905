/**
 * The packed cache of `qaq` in host memory: the reference implementation.
 *
 * @module
 */
import { AttentionMaxima } from "./attention_maxima.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { QaqPackedCpu } from "./qaq_packed_cpu.ts";
import { qaqRange, type QaqSettings } from "./qaq_settings.ts";
import {
  attentionInputs,
  checkAllJoined,
  joinPack,
  layerInPack,
  leavePack,
  oncePerLayer,
  type SharedPack,
  sourcesOfPack,
} from "./qaq_sharing.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";

/** Store of `qaq` over host tensors. `grow` throws at once on non-finite input. */
export class QaqStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: QaqSettings;
  readonly #shared: SharedPack<QaqPackedCpu>;
  readonly #layer: number;
  #quantized: TokenRange;
  #freed = false;

  constructor(source: Source<CpuTensor>, settings: QaqSettings, tokens: number) {
    this.#source = source;
    this.#settings = settings;
    this.#layer = layerInPack(source, settings);
    this.#quantized = qaqRange(settings, 0);
    this.#shared = joinPack(source, settings, () => {
      const sources = sourcesOfPack(source, settings);
      return new QaqPackedCpu({
        settings,
        tensors: sources.map(({ tensor }) => tensor),
        firstLayer: sources[0]!.layer,
        kind: source.kind,
        modelLayers: sources.length,
        promptTokens: source.promptTokens,
        ...(settings.useAttentions && settings.kind === "value"
          ? { attention: sources.map((s) => attentionOf(s, settings.lastNAttentions)) }
          : {}),
      }, tokens);
    });
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

  restore(target: CpuTensor): void {
    this.#shared.pack.restore(this.#layer, target);
  }

  settle(): Promise<void> {
    checkAllJoined(this.#source, this.#settings, this.#shared);
    return Promise.resolve();
  }

  /** At the token level the first layer's store reports the buffers of all layers. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#layer === 0 ? this.#shared.pack.buffers(n) : [];
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve(this.#layer === 0 ? this.#shared.pack.contents() : []);
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    leavePack(this.#source, this.#settings, this.#shared);
  }
}

function attentionOf(source: Source<CpuTensor>, lastN: number): AttentionMaxima {
  return oncePerLayer(source, `attention ${lastN}`, () => {
    const { queries, keys } = attentionInputs(source);
    return new AttentionMaxima(queries, keys, lastN);
  });
}
