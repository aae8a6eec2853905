/**
 * The packed cache of `turboquant` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import turboquant from "./turboquant.wgsl" with { type: "text" };
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import { Workbench } from "../../gpu/workbench.ts";
import type { GpuTensor } from "../../tensor.ts";
import {
  normWords,
  turboquantBuffers,
  type TurboquantLayout,
  turboquantLayout,
  turboquantRange,
  type TurboquantSettings,
  turboquantTables,
} from "./turboquant_settings.ts";

/** The tables of these settings on a device; every store of equal settings shares them. */
function deviceTables(device: GPUDevice, settings: TurboquantSettings, kernels: Kernels) {
  const tables = turboquantTables(settings);
  const { rotation, inverse, projection, backprojection } = tables;
  const matrices = [rotation, inverse, projection, backprojection];
  const levels = matrices.reduce((sum, { length }) => sum + length, 0);
  const bench = Workbench.of(device);
  const buffers = bench.shared(tables, () => {
    const { wordOffsets } = turboquantLayout(settings);
    let end = 0;
    const heads = settings.bits.map((bits, head) => {
      const first = end;
      end += tables.levels[head]!.length;
      return { bits, word_offset: wordOffsets[head]!, levels: first };
    });
    const values = [...matrices, ...tables.levels].flatMap((part) => [...part]);
    return {
      heads: bench.buffer("heads", kernels.contents("heads", heads)),
      tables: bench.buffer("tables", Float32Array.from(values)),
    };
  });
  return { buffers, levels };
}

/** Store of `turboquant` over GPU tensors; `settle` throws on non-finite input. */
export class TurboquantStoreGpu extends GrowingStore<TurboquantSettings, "codes" | "norms"> {
  readonly #layout: TurboquantLayout;
  readonly #kernels: Kernels;
  /** Where the levels begin in `tables`. */
  readonly #levels: number;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: TurboquantSettings,
    tokens: number,
  ) {
    const layout = turboquantLayout(settings);
    const { from, to } = turboquantRange(settings, tokens);
    const kernels = Kernels.of(device, "turboquant", [pack, turboquant], {
      channels: settings.headDim,
      signs: settings.variant === "prod",
      wide_norms: settings.paramDtype === "f32",
    });
    const { buffers, levels } = deviceTables(device, settings, kernels);
    super(device, source, settings, turboquantRange, {
      codes: (to - from) * layout.tokenWords,
      norms: normWords(settings, (to - from) * layout.tokenNorms),
    });
    this.#layout = layout;
    this.#kernels = kernels;
    this.tables = buffers;
    this.#levels = levels;
  }

  restore(target: GpuTensor): void {
    this.#run("restore", target, 0, this.tokens);
  }

  buffers(n: number): readonly StoredBuffer[] {
    return turboquantBuffers(this.settings, this.#layout, turboquantRange(this.settings, n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.whole("codes", "norms");
  }

  protected quantize(first: number, tokens: number): void {
    this.#run("quantize", this.source.tensor, first, tokens);
  }

  #run(
    entryPoint: "quantize" | "restore",
    tensor: GpuTensor,
    first: number,
    tokens: number,
  ): void {
    const { heads, headDim, capacity } = tensor;
    this.run(this.#kernels, entryPoint, { workgroups: tokens * heads }, {
      job: {
        heads,
        head_dim: headDim,
        capacity,
        first,
        tokens,
        token_words: this.#layout.tokenWords,
        levels: this.#levels,
      },
      tensor: tensor.buffer,
    });
  }
}
