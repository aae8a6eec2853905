/**
 * The packed cache of `nova` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import type { GpuTensor } from "../../tensor.ts";
import text from "./nova.wgsl" with { type: "text" };
import {
  clipPlace,
  novaBuffers,
  novaKeyTables,
  novaRange,
  type NovaSettings,
  novaTokenNumbers,
  novaTokenWords,
  novaValueTables,
} from "./nova_settings.ts";

/** Store of `nova` over GPU tensors; `settle` throws on non-finite input. */
export class NovaStoreGpu extends GrowingStore<NovaSettings, "codes" | "parameters"> {
  readonly #kernels: Kernels;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: NovaSettings,
    tokens: number,
  ) {
    const { from, to } = novaRange(settings, tokens);
    super(device, source, settings, novaRange, {
      codes: (to - from) * novaTokenWords(settings),
      parameters: Math.ceil((to - from) * novaTokenNumbers(settings) / 2),
    });
    this.#kernels = Kernels.of(device, "nova", [pack, text], { channels: settings.headDim });
    this.tables = this.bench.shared<Record<string, GPUBuffer>>(settings, () => this.#constants());
  }

  restore(target: GpuTensor): void {
    const entryPoint = this.settings.kind === "key" ? "decode_keys" : "decode_values";
    this.#run(entryPoint, target, 0, this.tokens);
  }

  buffers(n: number): readonly StoredBuffer[] {
    return novaBuffers(this.settings, this.tokensAt(n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.whole("codes", "parameters");
  }

  protected quantize(first: number, tokens: number): void {
    const entryPoint = this.settings.kind === "key" ? "encode_keys" : "encode_values";
    this.#run(entryPoint, this.source.tensor, first, tokens);
  }

  /** The constants on the device. */
  #constants(): Record<string, GPUBuffer> {
    if (this.settings.kind === "value") {
      const { rotation } = novaValueTables(this.settings);
      return { forward: this.bench.buffer("rotation", rotation) };
    }
    const { forward, inverse, mean, codebook } = novaKeyTables(this.settings);
    const words = new Uint32Array(codebook.buffer, codebook.byteOffset, codebook.length);
    return {
      forward: this.bench.buffer("forward", forward),
      inverse: this.bench.buffer("inverse", inverse),
      mean: this.bench.buffer("mean", mean),
      codebook: this.bench.buffer("codebook", words),
    };
  }

  #run(entryPoint: string, tensor: GpuTensor, first: number, tokens: number): void {
    const { heads, headDim, kind } = this.settings;
    this.run(this.#kernels, entryPoint, { workgroups: tokens * heads }, {
      job: {
        heads,
        head_dim: headDim,
        capacity: tensor.capacity,
        first: this.quantized.from + first,
        row: first,
        tokens,
        clip_place: clipPlace(this.settings),
      },
      ...(kind === "value" ? { mean: undefined } : {}),
      tensor: tensor.buffer,
    });
  }
}
