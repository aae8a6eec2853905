/**
 * Blocks in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import block from "./block.wgsl" with { type: "text" };
import blockQuantize from "./block_quantize.wgsl" with { type: "text" };
import blockRestore from "./block_restore.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { type BlockLayout, blockLayout, type BlockShape } from "./block_layout.ts";
import { BLOCK_FORMATS, type BlockFormat, blockParameterWords } from "./block_parameters.ts";
import {
  bindNumbered,
  computePipeline,
  readWords,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import { blockBuffers, type PackedBlock } from "./packed_block.ts";
import { type ReadbackClient, Readbacks, type WordRegion } from "../../gpu/shared_readback.ts";
import type { GpuTensor } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;
const ORDERS = { flat: 0, channel: 1, comb: 2 } as const;

/** Most workgroups WebGPU guarantees along one dimension. */
const MAX_WORKGROUPS = 65535;

/** The WGSL of one family. */
export interface BlockKernels {
  /** Identifies the pipelines. */
  readonly name: string;
  /** `fit_group`, `code_of`, `stored_pair` and `value_of` (block.wgsl). */
  readonly arithmetic: string;
  /** Values of the family's `override` declarations. */
  readonly constants: Readonly<Record<string, number>>;
  /** A pass over all groups between fitting and packing, repeated. */
  readonly refine?: {
    readonly wgsl: string;
    readonly rounds: number;
    /** One invocation per group, then one workgroup in all. */
    readonly entryPoints: readonly [string, string];
  };
}

/** One dispatch of a sequence. */
interface Dispatch {
  readonly entryPoint: string;
  readonly threads: number;
  readonly buffers: Readonly<Record<number, GPUBuffer>>;
}

/** A block of a GPU tensor; quantized when it is made. `settle` throws on non-finite input. */
export class BlockGpu implements PackedBlock<GpuTensor>, ReadbackClient {
  readonly buffers: readonly StoredBuffer[];
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #layout: BlockLayout;
  readonly #scheme: BlockShape & { readonly format: BlockFormat };
  readonly #kernels: BlockKernels;
  readonly #restoreJob: GPUBuffer;
  readonly #segments: GPUBuffer;
  readonly #failure: GPUBuffer;
  /** Absent while no group fits: WebGPU has no empty buffers. */
  readonly #codes: GPUBuffer | undefined;
  readonly #parameters: GPUBuffer | undefined;
  #error: Error | undefined;

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
    kernels: BlockKernels,
  ) {
    this.#device = device;
    this.#source = source;
    this.#scheme = scheme;
    this.#kernels = kernels;
    const layout = blockLayout(scheme, tensor, tokens);
    this.#layout = layout;
    this.buffers = blockBuffers(layout, scheme.format, scheme.bits);
    const table = layout.segments.flatMap((segment) => [
      segment.bits,
      segment.firstWord,
      segment.chunkGroups,
      segment.chunkWords,
    ]);
    this.#segments = this.#upload("segments", Uint32Array.from(table));
    this.#failure = this.#upload("failure", Uint32Array.of(NO_FAILURE));
    this.#restoreJob = this.#jobBuffer();
    if (layout.groups === 0) return;
    this.#codes = this.#buffer("codes", layout.words);
    this.#parameters = this.#buffer(
      "parameters",
      blockParameterWords(scheme.format, layout.groups),
    );
    this.#quantize(tensor);
    Readbacks.in(source.shared).await(this);
  }

  get tokens(): number {
    return this.#layout.tokens;
  }

  restore(target: GpuTensor): void {
    if (this.#codes === undefined || this.#parameters === undefined) return;
    this.#writeJob(this.#restoreJob, target);
    this.#run([blockRestore], [{
      entryPoint: "restore",
      threads: target.heads * this.#layout.tokens * target.headDim,
      buffers: {
        0: this.#restoreJob,
        1: this.#segments,
        2: target.buffer,
        4: this.#codes,
        5: this.#parameters,
      },
    }]);
  }

  async settle(): Promise<void> {
    await Readbacks.in(this.#source.shared).settle(this.#device, this);
    if (this.#error !== undefined) throw this.#error;
  }

  regions(): readonly WordRegion[] {
    return [{ buffer: this.#failure, at: 0, words: 1 }];
  }

  accept([place]: Uint32Array<ArrayBuffer>): void {
    if (place === NO_FAILURE) return;
    const { heads } = this.#layout;
    this.#error = notFiniteError(this.#source, place! % heads, Math.floor(place! / heads));
  }

  async contents(): Promise<readonly BufferContents[]> {
    const read = async (buffer: GPUBuffer | undefined) =>
      buffer === undefined
        ? new Uint32Array(0)
        : await readWords(this.#device, buffer, buffer.size);
    const [codes, parameters] = this.buffers;
    return [
      { role: codes!.role, words: await read(this.#codes) },
      { role: parameters!.role, words: await read(this.#parameters) },
    ];
  }

  free(): void {
    Readbacks.in(this.#source.shared).drop(this);
    this.#segments.destroy();
    this.#failure.destroy();
    this.#restoreJob.destroy();
    this.#codes?.destroy();
    this.#parameters?.destroy();
  }

  #quantize(tensor: GpuTensor): void {
    const { groups, segments } = this.#layout;
    const { refine } = this.#kernels;
    const job = this.#jobBuffer();
    this.#writeJob(job, tensor);
    const fitted = this.#buffer("fitted", 2 * groups);
    const errors = this.#buffer("errors", refine === undefined ? 1 : groups);
    // Best error so far, and whether the search is over.
    const search = this.#upload("search", Uint32Array.of(0x7f7fffff, 0));
    const steps: Dispatch[] = [{
      entryPoint: "fit",
      threads: groups,
      buffers: { 0: job, 1: this.#segments, 2: tensor.buffer, 3: fitted, 6: this.#failure },
    }];
    for (let round = 0; round < (refine?.rounds ?? 0); round++) {
      const [improve, compare] = refine!.entryPoints;
      steps.push({
        entryPoint: improve,
        threads: groups,
        buffers: {
          0: job,
          1: this.#segments,
          2: tensor.buffer,
          3: fitted,
          7: errors,
          8: search,
        },
      }, {
        entryPoint: compare,
        threads: WORKGROUP_THREADS,
        buffers: { 0: job, 7: errors, 8: search },
      });
    }
    steps.push({
      entryPoint: "pack",
      threads: segments.length * this.#chunks,
      buffers: {
        0: job,
        1: this.#segments,
        2: tensor.buffer,
        3: fitted,
        4: this.#codes!,
        5: this.#parameters!,
      },
    });
    this.#run([blockQuantize, refine?.wgsl ?? ""], steps);
    job.destroy();
    fitted.destroy();
    errors.destroy();
    search.destroy();
  }

  /** Runs one dispatch after the other; each sees what the ones before it wrote. */
  #run(wgsl: readonly string[], steps: readonly Dispatch[]): void {
    const device = this.#device;
    const { name, arithmetic, constants } = this.#kernels;
    const all = {
      ...constants,
      group_order: ORDERS[this.#scheme.order],
      parameter_format: BLOCK_FORMATS[this.#scheme.format],
      joined: this.#layout.joined ? 1 : 0,
      ten_per_word: this.#layout.tenPerWord ? 1 : 0,
    };
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { entryPoint, threads, buffers } of steps) {
      const sources = [pack, block, arithmetic, ...wgsl];
      const pipeline = computePipeline(device, name, entryPoint, sources, all);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindNumbered(device, pipeline, buffers));
      const workgroups = Math.ceil(threads / WORKGROUP_THREADS);
      const rows = Math.ceil(workgroups / MAX_WORKGROUPS);
      pass.dispatchWorkgroups(Math.ceil(workgroups / rows), rows);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  /** Chunks of the longest segment. */
  get #chunks(): number {
    const { segments } = this.#layout;
    return Math.max(...segments.map((s) => Math.ceil(s.groups / s.chunkGroups)));
  }

  #writeJob(job: GPUBuffer, { capacity }: GpuTensor): void {
    const { heads, headDim, tokens, groupSize, segments } = this.#layout;
    this.#device.queue.writeBuffer(
      job,
      0,
      Uint32Array.of(
        heads,
        headDim,
        capacity,
        tokens,
        groupSize,
        segments[0]!.groups,
        segments.length,
        this.#chunks,
      ),
    );
  }

  #jobBuffer(): GPUBuffer {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    return this.#device.createBuffer({ label: "job", size: 32, usage });
  }

  #buffer(label: string, words: number): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.#device.createBuffer({ label, size: words * 4, usage });
  }

  #upload(label: string, words: Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer(label, words.length);
    this.#device.queue.writeBuffer(buffer, 0, words);
    return buffer;
  }
}
