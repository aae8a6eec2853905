/**
 * Blocks in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import block from "./block.wgsl" with { type: "text" };
import blockQuantize from "./block_quantize.wgsl" with { type: "text" };
import loadParameters from "./block_load_parameters.wgsl" with { type: "text" };
import blockRefine from "./block_refine.wgsl" with { type: "text" };
import { COLUMNS, MOST_REFINED, streamRefine, SUM_WORKGROUPS } from "./stream_refine.ts";
import storeParameters from "./block_store_parameters.wgsl" with { type: "text" };
import blockRestore from "./block_restore.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import streamFit from "./stream_fit.wgsl" with { type: "text" };
import streamGroups from "./stream_groups.wgsl" with { type: "text" };
import streamPlaces from "./stream_places.wgsl" with { type: "text" };
import streamValues from "./stream_values.wgsl" with { type: "text" };
import { quantizesStream, streamEntries, streamQuantize } from "../stream/stream_quantize.ts";
import streamRestore from "../stream/stream_restore.wgsl" with { type: "text" };
import { type BlockLayout, blockLayout, type BlockShape } from "./block_layout.ts";
import { BLOCK_FORMATS, type BlockFormat, blockParameterWords } from "./block_parameters.ts";
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { DeviceStore } from "../../gpu/device_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import { blockBuffers, type PackedBlock } from "./packed_block.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Of a float32. */
const LARGEST = 3.4028234663852886e38;

const ORDERS = { flat: 0, channel: 1, comb: 2 } as const;

/** The WGSL of one family. */
export interface BlockKernels {
  /** Identifies the pipelines. */
  readonly name: string;
  /** `fit_group`, `code_of`, `stored_pair` and `value_of` (block.wgsl). */
  readonly arithmetic: string;
  /** Values of the family's `override` declarations. */
  readonly constants: Readonly<Record<string, number>>;
  /** Whether codes are quotients (x - fitted.y) / fitted.x, and `quick_fits` is there (packed_codes.ts). */
  readonly quotients?: boolean;
  /**
   * A search between fitting and packing that moves zero points: what an entry adds to a round
   * (`searched` in hf_hqq_search.wgsl), and the most rounds.
   */
  readonly refine?: { readonly wgsl: string; readonly rounds: number };
}

/**
 * The fastest kernels that a layout allows: blocks in flat order whose heads have one width are one
 * stream of codes. Whatever else there is is left to kernels that take any layout.
 */
function kernelTexts(layout: BlockLayout, rounds: number, quotients: boolean) {
  const refines = rounds > 0;
  const { order, groupSize, headDim, tenPerWord, segments, tokens } = layout;
  const [{ bits } = { bits: 0 }] = segments;
  const isStream = order === "flat" && !tenPerWord && tokens > 0 &&
    segments.every((segment) => segment.bits === bits) &&
    (segments.length === 1 || tokens * headDim * bits % 32 === 0);
  const fixed = Object.entries({
    head_dim: headDim,
    group_size: groupSize,
    bits,
    top_code: 2 ** bits - 1,
  }).map(([name, value]) => `const fixed_${name} = ${value}u;`).join("\n");
  const stream = [fixed, streamPlaces];
  const restoresStream = isStream && groupSize % 4 === 0 && headDim % 4 === 0;
  const codes = { groupSize, bits, quotients };
  const quantizesInStream = isStream && quantizesStream(codes, headDim) &&
    (!refines || headDim % groupSize === 0 && groupSize <= MOST_REFINED);
  return {
    restore: restoresStream ? [...stream, streamValues, streamRestore] : [blockRestore],
    quantize: quantizesInStream
      ? [
        ...stream,
        streamGroups,
        refines ? streamRefine(groupSize, rounds) : streamFit,
        streamQuantize(codes),
      ]
      : [blockQuantize, refines ? blockRefine : ""],
    restoresStream,
    quantizesInStream,
  };
}

/** A block of a GPU tensor; quantized when it is made. `settle` throws on non-finite input. */
export class BlockGpu extends DeviceStore<"codes" | "parameters" | "segments">
  implements PackedBlock<GpuTensor> {
  readonly buffers: readonly StoredBuffer[];
  readonly #layout: BlockLayout;
  /** Of refining. */
  readonly #rounds: number;
  readonly #quotients: boolean;
  readonly #quantizeKernels: Kernels;
  readonly #restoreKernels: Kernels;
  readonly #quantizesInStream: boolean;
  readonly #restoresStream: boolean;

  /**
   * @param source layer and kind, for errors and for settling with the other stores of the cache
   * @param tokens tokens of `tensor` to quantize; those at the end that fill no group are left out
   */
  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    tensor: GpuTensor,
    tokens: number,
    scheme: BlockShape & { readonly format: BlockFormat },
    { name, arithmetic, constants, quotients = false, refine }: BlockKernels,
  ) {
    const layout = blockLayout(scheme, tensor, tokens);
    const kernels = (...texts: string[]) =>
      Kernels.of(device, name, [pack, block, arithmetic, ...texts], {
        ...constants,
        group_order: ORDERS[scheme.order],
        parameter_format: BLOCK_FORMATS[scheme.format],
        joined: layout.joined,
        ten_per_word: layout.tenPerWord,
      });
    const texts = kernelTexts(layout, refine?.rounds ?? 0, quotients);
    const quantize = kernels(storeParameters, refine?.wgsl ?? "", ...texts.quantize);
    const segments = layout.segments.map((segment) => ({
      bits: segment.bits,
      first_word: segment.firstWord,
      chunk_groups: segment.chunkGroups,
      chunk_words: segment.chunkWords,
    }));
    super(device, source, {
      codes: layout.words,
      parameters: blockParameterWords(scheme.format, layout.groups),
      segments: quantize.contents("segments", segments),
    });
    this.#layout = layout;
    this.#rounds = refine?.rounds ?? 0;
    this.#quotients = quotients;
    this.buffers = blockBuffers(layout, scheme.format, scheme.bits);
    this.#quantizeKernels = quantize;
    this.#restoreKernels = kernels(loadParameters, ...texts.restore);
    this.#quantizesInStream = texts.quantizesInStream;
    this.#restoresStream = texts.restoresStream;
    this.bench.batch(() => this.#quantize(tensor));
  }

  get tokens(): number {
    return this.#layout.tokens;
  }

  restore(target: GpuTensor): void {
    const entries = target.heads * this.#layout.tokens * target.headDim;
    const [entryPoint, threads] = this.#restoresStream
      ? ["restore_stream", entries / 8]
      : ["restore", entries];
    this.run(this.#restoreKernels, entryPoint, { threads }, {
      job: this.#job(target),
      restored: target.buffer,
    });
  }

  async contents(): Promise<readonly BufferContents[]> {
    const [codes, parameters] = await this.whole("codes", "parameters");
    // Its role says whether there are zero points.
    return [codes!, { ...parameters!, role: this.buffers[1]!.role }];
  }

  #quantize(tensor: GpuTensor): void {
    const { groups, segments } = this.#layout;
    const kernels = this.#quantizeKernels;
    if (this.#quantizesInStream) {
      this.#quantizeStream(tensor);
      return;
    }
    const fitted = this.bench.buffer("fitted", 2 * groups);
    const bindings = { job: this.#job(tensor), source: tensor.buffer, fitted };
    this.run(kernels, "fit", { threads: groups }, bindings);
    if (this.#rounds > 0) {
      const errors = this.bench.buffer("errors", groups);
      const start = { best: LARGEST, done: 0 };
      const search = this.bench.buffer("search", kernels.contents("search", start));
      const searched = { ...bindings, errors, search };
      for (let round = 0; round < this.#rounds; round++) {
        this.run(kernels, "improve", { threads: groups }, searched);
        this.run(kernels, "compare", { workgroups: 1 }, searched);
      }
      this.bench.free(errors, search);
    }
    this.run(kernels, "pack", { threads: segments.length * this.#chunks }, bindings);
    this.bench.free(fitted);
  }

  #quantizeStream(tensor: GpuTensor): void {
    const { groups, segments: [segment], groupSize } = this.#layout;
    const kernels = this.#quantizeKernels;
    const rounds = this.#rounds;
    const searched = rounds === 0 ? {} : {
      errors: this.bench.buffer("errors", rounds * groups),
      zeros: this.bench.buffer("zeros", rounds * groups),
      sums: this.bench.buffer("sums", rounds),
      columns: this.bench.buffer("columns", COLUMNS * rounds),
    };
    const bindings = { job: this.#job(tensor), source: tensor.buffer, ...searched };
    if (rounds > 0) {
      this.run(kernels, "refine_stream", { threads: groups }, bindings);
      const workgroups = SUM_WORKGROUPS * rounds;
      this.run(kernels, "sum_columns_of_errors", { workgroups }, bindings);
      this.run(kernels, "sum_errors", { workgroups: rounds }, bindings);
    }
    const threads = groups * groupSize /
      streamEntries({ groupSize, bits: segment!.bits, quotients: this.#quotients });
    this.run(kernels, "quantize_stream", { threads }, bindings);
    this.bench.free(...Object.values(searched));
  }

  /** Chunks of the longest segment. */
  get #chunks(): number {
    const { segments } = this.#layout;
    return Math.max(...segments.map((s) => Math.ceil(s.groups / s.chunkGroups)));
  }

  #job({ heads, headDim, capacity }: GpuTensor) {
    const { tokens, groupSize, segments } = this.#layout;
    return {
      heads,
      head_dim: headDim,
      capacity,
      tokens,
      group_size: groupSize,
      groups: segments[0]!.groups,
      segments: segments.length,
      chunks: this.#chunks,
    };
  }
}
