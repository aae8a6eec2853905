/**
 * The packed cache of `skvq` with rearranged channels in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import { affineRange } from "../../stores/affine/affine_settings.ts";
import { bindNumbered, computePipeline, dispatch, readWords } from "../../gpu/compute_pipelines.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { parameterWords } from "../../packing/parameters.ts";
import { readUsed } from "../../gpu/shared_readback.ts";
import arithmetic from "./skvq.wgsl" with { type: "text" };
import { channelOrder } from "./skvq_calibrate.ts";
import common from "./skvq_cluster.wgsl" with { type: "text" };
import quantizeKernel from "./skvq_cluster_quantize.wgsl" with { type: "text" };
import restoreKernel from "./skvq_cluster_restore.wgsl" with { type: "text" };
import { clusterBuffers, clusterTokenWords } from "./skvq_cluster_buffers.ts";
import type { SkvqSettings } from "./skvq_settings.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;
const PARAMETER_TYPES = { f16: 0, f32: 1, fp8: 2 } as const;

/** Store of `skvq` over GPU tensors; `settle` throws on non-finite input. */
export class SkvqClusterStoreGpu implements Store<GpuTensor> {
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #settings: SkvqSettings;
  readonly #count: number;
  readonly #quantize: GPUComputePipeline;
  readonly #restore: GPUComputePipeline;
  readonly #places: GPUBuffer;
  readonly #starts: GPUBuffer;
  readonly #codes: GPUBuffer;
  readonly #parameters: GPUBuffer;
  readonly #failure: GPUBuffer;
  readonly #job: GPUBuffer;
  #quantized: TokenRange;
  #tokens = 0;
  #length = 0;
  #unchecked = false;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: SkvqSettings,
    tokens: number,
  ) {
    const { heads, headDim } = source.tensor;
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#count = heads * headDim;
    const { order, starts, factors } = channelOrder(settings, this.#count);
    const places = new Uint32Array(3 * this.#count);
    const placeFactors = new Float32Array(places.buffer);
    for (let group = 0; group < settings.groups; group++) {
      for (let i = starts[group]!; i < starts[group + 1]!; i++) {
        places[3 * i] = order[i]!;
        places[3 * i + 1] = group;
        placeFactors[3 * i + 2] = factors[order[i]!]!;
      }
    }
    this.#places = this.#upload(places);
    this.#starts = this.#upload(Uint32Array.from(starts));
    this.#failure = this.#upload(Uint32Array.of(NO_FAILURE));
    const range = affineRange(settings, tokens);
    const room = range.to - range.from;
    this.#codes = this.#buffer("codes", room * clusterTokenWords(settings, this.#count));
    const words = parameterWords(settings.paramDtype, room * settings.groups);
    this.#parameters = this.#buffer("scale_zero", words);
    this.#job = device.createBuffer({
      size: 64,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    const constants = { parameter_type: PARAMETER_TYPES[settings.paramDtype] };
    const pipeline = (entryPoint: string, kernel: string) => {
      const sources = [pack, common, arithmetic, kernel];
      return computePipeline(device, "skvq clusters", entryPoint, sources, constants);
    };
    this.#quantize = pipeline("quantize", quantizeKernel);
    this.#restore = pipeline("restore", restoreKernel);
    this.#quantized = affineRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.#quantized = affineRange(this.#settings, n);
    this.#length = n;
    const tokens = this.#quantized.to - this.#quantized.from;
    const added = tokens - this.#tokens;
    if (added <= 0) return;
    this.#writeJob(this.#source.tensor.capacity, this.#tokens, added);
    const bound = bindNumbered(this.#device, this.#quantize, {
      0: this.#job,
      1: this.#places,
      2: this.#starts,
      3: this.#source.tensor.buffer,
      4: this.#codes,
      5: this.#parameters,
      6: this.#failure,
    });
    dispatch(this.#device, this.#quantize, bound, added * this.#settings.groups);
    this.#tokens = tokens;
    this.#unchecked = true;
  }

  restore(target: GpuTensor): void {
    if (this.#tokens === 0) return;
    this.#writeJob(target.capacity, 0, this.#tokens);
    const bound = bindNumbered(this.#device, this.#restore, {
      0: this.#job,
      1: this.#places,
      2: this.#codes,
      3: this.#parameters,
      4: target.buffer,
    });
    dispatch(this.#device, this.#restore, bound, this.#tokens * this.#count);
  }

  async settle(): Promise<void> {
    if (!this.#unchecked) return;
    const [place] = await readWords(this.#device, this.#failure, 4);
    if (place !== NO_FAILURE) {
      const { heads } = this.#source.tensor;
      throw notFiniteError(this.#source, place! % heads, Math.floor(place! / heads));
    }
    this.#unchecked = false;
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = affineRange(this.#settings, n);
    return clusterBuffers(this.#settings, this.#count, to - from);
  }

  async contents(): Promise<readonly BufferContents[]> {
    const buffers = { codes: this.#codes, scale_zero: this.#parameters };
    return await readUsed(this.#device, this.buffers(this.#length), buffers);
  }

  free(): void {
    for (
      const buffer of [
        this.#places,
        this.#starts,
        this.#codes,
        this.#parameters,
        this.#failure,
        this.#job,
      ]
    ) buffer.destroy();
  }

  #buffer(label: string, words: number): GPUBuffer {
    return this.#device.createBuffer({
      label,
      size: 4 * Math.max(1, words),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
  }

  #upload(data: Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer("tables", data.length);
    this.#device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  #writeJob(capacity: number, first: number, tokens: number): void {
    const { heads, headDim } = this.#source.tensor;
    const { groups, bits, topCodes, clipRatio, scaleFloor } = this.#settings;
    const job = Uint32Array.of(
      headDim,
      capacity,
      heads,
      this.#count,
      groups,
      bits[0]!,
      topCodes[0]!,
      clusterTokenWords(this.#settings, this.#count),
      this.#quantized.from,
      first,
      tokens,
      0,
      0,
    );
    new Float32Array(job.buffer).set([clipRatio, scaleFloor], 11);
    this.#device.queue.writeBuffer(this.#job, 0, job);
  }
}
