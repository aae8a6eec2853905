/**
 * The packed cache of `turboquant` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import common from "./turboquant.wgsl" with { type: "text" };
import vectorKernels from "./turboquant_vector.wgsl" with { type: "text" };
import { turboquantTiles } from "./turboquant_tiles.ts";
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

/** Channels that `turboquant_tile.wgsl` is made for, and what a tile holds of them. */
const TILED_CHANNELS = [32, 64, 128, 256];
const TILE_ENTRIES = 8192;

/** Store of `turboquant` over GPU tensors; `settle` throws on non-finite input. */
export class TurboquantStoreGpu extends GrowingStore<TurboquantSettings, "codes" | "norms"> {
  readonly #layout: TurboquantLayout;
  readonly #kernels: Kernels;
  readonly #tiled: boolean;
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
    const signs = settings.variant === "prod";
    const tiled = !signs && TILED_CHANNELS.includes(settings.headDim);
    const constants = { signs, wide_norms: settings.paramDtype === "f32" };
    const kernels = tiled
      ? Kernels.of(
        device,
        "turboquant",
        [pack, common, turboquantTiles(settings.headDim)],
        constants,
      )
      : Kernels.of(device, "turboquant", [pack, common, vectorKernels], {
        ...constants,
        channels: settings.headDim,
      });
    const { buffers, levels } = deviceTables(device, settings, kernels);
    super(device, source, settings, turboquantRange, {
      codes: (to - from) * layout.tokenWords,
      norms: normWords(settings, (to - from) * layout.tokenNorms),
    });
    this.#layout = layout;
    this.#kernels = kernels;
    this.#tiled = tiled;
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
    const tiles = Math.ceil(tokens * headDim / TILE_ENTRIES);
    const [name, workgroups] = this.#tiled
      ? [`${entryPoint}_tiles`, tiles * heads]
      : [entryPoint, tokens * heads];
    this.run(this.#kernels, name, { workgroups }, {
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
