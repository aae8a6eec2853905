/**
 * Packed rows in GPU buffers, laid out as in cpu memory.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import row from "./row.wgsl" with { type: "text" };
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";
import {
  rowBuffers,
  type RowFormat,
  type RowLayout,
  rowLayout,
  type RowSettings,
  rowWords,
} from "./row_format.ts";

/** The WGSL of a family's blocks. */
export interface RowKernels {
  /** What the kernels are called in errors. */
  readonly name: string;
  /** Text with `fit_block`, `code_of` and `value_of` (row.wgsl). */
  readonly arithmetic: string;
  /** Values of that text's `override` declarations. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
}

/** Store of rows over GPU tensors; `settle` throws on non-finite input. */
export class RowStoreGpu<S extends RowSettings> extends GrowingStore<S, "codes" | "parameters"> {
  readonly #layout: RowLayout;
  readonly #kernels: Kernels;
  readonly #origin: number;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: S,
    format: RowFormat,
    kernels: RowKernels,
    rangeOf: (settings: S, n: number) => TokenRange,
    tokens: number,
  ) {
    const { headDim, bits } = settings;
    const layout = rowLayout(format, headDim);
    const { from, to } = rangeOf(settings, tokens);
    super(device, source, settings, rangeOf, rowWords(layout, bits.length, to - from));
    const [first = 0, second = 0] = format.parameterBits;
    this.#layout = layout;
    this.#origin = from;
    this.#kernels = Kernels.of(device, kernels.name, [pack, row, kernels.arithmetic], {
      channels: headDim,
      block_entries: format.blockEntries,
      code_bits: format.codeBits,
      first_bits: first,
      second_bits: second,
      apart: format.place === "apart",
      halves: format.codeOrder === "halves",
      rotation: format.rotation,
      rotation_scale: 1 / Math.sqrt(format.rotation),
      learned: format.constants !== undefined,
      ...kernels.constants,
    });
    const { constants: scales } = format;
    if (scales !== undefined) {
      this.tables = this.bench.shared(format, () => ({
        scales: this.bench.buffer("scales", scales),
      }));
    }
  }

  restore(target: GpuTensor): void {
    this.#run("restore", target, 0, this.tokens);
  }

  buffers(n: number): readonly StoredBuffer[] {
    return rowBuffers(this.settings, this.#layout, this.tokensAt(n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.used(this.buffers(this.length));
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
    const { heads, capacity } = tensor;
    this.run(this.#kernels, entryPoint, { workgroups: tokens * heads }, {
      job: { heads, capacity, origin: this.#origin, first, tokens },
      tensor: tensor.buffer,
      scales: this.tables.scales ?? this.bench.nothing,
    });
  }
}
