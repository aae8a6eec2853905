/**
 * The packed cache of `skvq` with rearranged channels in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import { affineRange } from "../../stores/affine/affine_settings.ts";
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import loadParameters from "../../packing/load_parameters.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { PARAMETER_TYPES, parameterWords } from "../../packing/parameters.ts";
import storeParameters from "../../packing/store_parameters.wgsl" with { type: "text" };
import arithmetic from "./skvq.wgsl" with { type: "text" };
import { channelOrder } from "./skvq_calibrate.ts";
import common from "./skvq_cluster.wgsl" with { type: "text" };
import quantizeKernel from "./skvq_cluster_quantize.wgsl" with { type: "text" };
import restoreKernel from "./skvq_cluster_restore.wgsl" with { type: "text" };
import { clusterBuffers, clusterTokenWords } from "./skvq_cluster_buffers.ts";
import type { SkvqSettings } from "./skvq_settings.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Store of `skvq` over GPU tensors; `settle` throws on non-finite input. */
export class SkvqClusterStoreGpu
  extends GrowingStore<SkvqSettings, "codes" | "scale_zero" | "places" | "starts"> {
  protected override readonly constantRoles = ["places", "starts"] as const;
  readonly #channels: number;
  readonly #quantize: Kernels;
  readonly #restore: Kernels;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: SkvqSettings,
    tokens: number,
  ) {
    const { groups, paramDtype } = settings;
    const channels = source.tensor.heads * source.tensor.headDim;
    const kernels = (...texts: string[]) =>
      Kernels.of(device, "skvq clusters", [pack, common, arithmetic, ...texts], {
        parameter_type: PARAMETER_TYPES[paramDtype],
      });
    const quantize = kernels(storeParameters, quantizeKernel);
    const { order, starts, factors } = channelOrder(settings, channels);
    const places = Array.from({ length: groups }, (_, group) =>
      Array.from(
        order.subarray(starts[group]!, starts[group + 1]!),
        (channel) => ({ channel, group, factor: factors[channel]! }),
      )).flat();
    const { from, to } = affineRange(settings, tokens);
    super(device, source, settings, affineRange, {
      codes: (to - from) * clusterTokenWords(settings, channels),
      scale_zero: parameterWords(paramDtype, (to - from) * groups),
      places: quantize.contents("places", places),
      starts: Uint32Array.from(starts),
    });
    this.#channels = channels;
    this.#quantize = quantize;
    this.#restore = kernels(loadParameters, restoreKernel);
  }

  restore(target: GpuTensor): void {
    this.run(this.#restore, "restore", { threads: this.tokens * this.#channels }, {
      ...this.#bindings(target, 0, this.tokens),
      restored: target.buffer,
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    return clusterBuffers(this.settings, this.#channels, this.tokensAt(n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.used(this.buffers(this.length));
  }

  protected quantize(first: number, tokens: number): void {
    const { tensor } = this.source;
    this.run(this.#quantize, "quantize", { threads: tokens * this.settings.groups }, {
      ...this.#bindings(tensor, first, tokens),
      source: tensor.buffer,
    });
  }

  #bindings({ heads, headDim, capacity }: GpuTensor, first: number, tokens: number) {
    const { groups, bits, topCodes, clipRatio, scaleFloor } = this.settings;
    return {
      job: {
        head_dim: headDim,
        capacity,
        heads,
        channels: this.#channels,
        groups,
        bits: bits[0]!,
        top_code: topCodes[0]!,
        token_words: clusterTokenWords(this.settings, this.#channels),
        from_token: this.quantized.from,
        first,
        units: tokens,
        clip_ratio: clipRatio,
        scale_floor: scaleFloor,
      },
      parameters: this.memory.scale_zero,
    };
  }
}
