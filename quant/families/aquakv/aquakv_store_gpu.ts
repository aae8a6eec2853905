/**
 * The packed cache of `aquakv` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import { gaussianPairs } from "../../numerics/gaussian_pairs.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { beforeRope } from "../../stores/rope/rope_restore.ts";
import tokenVector from "../../stores/rope/token_vector.wgsl" with { type: "text" };
import type { GpuTensor } from "../../tensor.ts";
import text from "./aquakv.wgsl" with { type: "text" };
import {
  aquakvBuffers,
  type AquakvLayout,
  aquakvLayout,
  aquakvPredictor,
  aquakvRange,
  type AquakvSettings,
} from "./aquakv_settings.ts";
import { type ChainLink, RestoredChain } from "./restored_chain.ts";

/** Store of `aquakv` over GPU tensors; `settle` throws on non-finite input. */
export class AquakvStoreGpu extends GrowingStore<AquakvSettings, "codes" | "scale" | "rows">
  implements ChainLink<GPUBuffer> {
  declare readonly settings: AquakvSettings;
  readonly #layout: AquakvLayout;
  readonly #kernels: Kernels;
  readonly #chain: RestoredChain<GPUBuffer>;
  /** Tokens of `rows`. */
  #decoded = 0;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: AquakvSettings,
    tokens: number,
  ) {
    const layout = aquakvLayout(settings);
    const { from, to } = aquakvRange(settings, tokens);
    super(device, source, settings, aquakvRange, {
      codes: (to - from) * layout.tokenWords,
      scale: Math.ceil((to - from) * layout.scales / 2),
      rows: (to - from) * layout.channels,
    });
    this.#layout = layout;
    this.#kernels = Kernels.of(device, "aquakv", [pack, tokenVector, text], {
      most_channels: layout.channels,
      hadamard_size: settings.hadamardSize,
      code_bits: 2 * layout.bits,
      points: layout.bits === 16 ? 0 : 4 ** layout.bits,
    });
    this.tables = this.bench.shared(settings, () => this.#constants());
    this.#chain = RestoredChain.join<GPUBuffer>(source.shared, this);
  }

  restored(tokens: number): GPUBuffer {
    this.catchUp();
    const first = this.#decoded;
    if (tokens > first) {
      const inputs = this.#chain.inputs(this.settings, tokens);
      this.#decoded = tokens;
      this.#run("decode", this.source.tensor, first, tokens - first, named(inputs));
    }
    return this.memory.rows;
  }

  restore(target: GpuTensor): void {
    if (this.tokens === 0) return;
    const { rope } = beforeRope(this.source);
    this.bench.batch(() => {
      this.#run("place", target, 0, this.tokens, {
        tensor: target.buffer,
        rows: this.restored(this.tokens),
        cosine: rope?.cos.buffer,
        sine: rope?.sin.buffer,
      });
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    return aquakvBuffers(this.#layout, this.tokensAt(n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.whole("codes", "scale");
  }

  override free(): void {
    this.#chain.leave(this);
    super.free();
  }

  protected quantize(first: number, tokens: number): void {
    const { tensor: input } = beforeRope(this.source);
    this.bench.batch(() => {
      const inputs = this.#chain.inputs(this.settings, first + tokens);
      this.#run("encode", input, first, tokens, { ...named(inputs), tensor: input.buffer });
    });
  }

  /** The constants on the device. */
  #constants() {
    const predictor = aquakvPredictor(this.settings);
    const { bits } = this.#layout;
    const tables = [...bits === 16 ? [] : gaussianPairs(bits), ...predictor?.bias ?? []];
    const weights = predictor?.weights;
    return {
      tables: this.bench.buffer("tables", Float32Array.from(tables)),
      ...(weights === undefined ? {} : {
        // Channels are a multiple of four.
        weights: this.bench.buffer("weights", new Uint32Array(weights.buffer.slice(0))),
      }),
    };
  }

  #run(
    entryPoint: "encode" | "decode" | "place",
    tensor: GpuTensor,
    first: number,
    tokens: number,
    bindings: Readonly<Record<string, GPUBuffer | undefined>>,
  ): void {
    const { heads, headDim, layer, kind } = this.settings;
    this.run(this.#kernels, entryPoint, { workgroups: tokens }, {
      job: {
        heads,
        head_dim: headDim,
        capacity: tensor.capacity,
        first: this.quantized.from + first,
        row: first,
        tokens,
        inputs: layer === 0 ? 0 : kind === "key" ? 1 : 2,
        rotate: kind === "key",
      },
      ...(layer === 0 ? { weights: undefined } : {}),
      ...bindings,
    });
  }
}

/** Rows by the variables that they are bound to. */
function named([first, second]: readonly GPUBuffer[]) {
  return { first_input: first, second_input: second };
}
