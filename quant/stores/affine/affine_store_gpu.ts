/**
 * The packed cache of an affine family in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import group from "./group.wgsl" with { type: "text" };
import groupQuantize from "./group_quantize.wgsl" with { type: "text" };
import groupRestore from "./group_restore.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { affineLayout, affineRange, type AffineSettings } from "./affine_settings.ts";
import { bindBuffers, computePipeline, dispatch, readWords } from "../../gpu/compute_pipelines.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import type { Band, GroupLayout } from "./group_layout.ts";
import { parameterWords } from "../../packing/parameters.ts";
import { type ReadbackClient, Readbacks } from "../../gpu/shared_readback.ts";
import { storedBuffers } from "./stored_buffers.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;
const PARAMETER_TYPES = { f16: 0, f32: 1, fp8: 2 } as const;

/** Codes that one invocation quantizes: the fewest whole groups that fill whole words. */
function chunkCodes(band: Band, groupSize: number): number {
  const groups = band.rowCodes / groupSize;
  for (let chunk = 1; chunk < groups; chunk++) {
    if (groups % chunk === 0 && (chunk * groupSize * band.bits) % 32 === 0) {
      return chunk * groupSize;
    }
  }
  return band.rowCodes;
}

/** Store of an affine family over GPU tensors; `settle` throws on non-finite input. */
export class AffineStoreGpu implements Store<GpuTensor> {
  /** Where codes and parameters lie in the buffers. */
  readonly layout: GroupLayout;
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #settings: AffineSettings;
  readonly #quantize: GPUComputePipeline;
  readonly #restore: GPUComputePipeline;
  readonly #unitChunks: number;
  readonly #bands: GPUBuffer;
  readonly #growJob: GPUBuffer;
  readonly #restoreJob: GPUBuffer;
  readonly #failure: GPUBuffer;
  /** Absent while no unit fits: WebGPU has no empty buffers. */
  readonly #codes: GPUBuffer | undefined;
  readonly #parameters: GPUBuffer | undefined;
  #quantized: TokenRange;
  #units = 0;
  /** Where an entry is not finite, as far as the device has been asked. */
  #failed = NO_FAILURE;
  readonly #readbacks: Readbacks;
  readonly #check: ReadbackClient = {
    regions: () => [{ buffer: this.#failure, at: 0, words: 1 }],
    accept: ([place]) => {
      this.#failed = place!;
    },
  };

  /**
   * Opens an empty store with room for a snapshot of `tokens` tokens.
   *
   * @param arithmetic WGSL of the family: `scale_zero`, `code_of`, `value_of`
   */
  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: AffineSettings,
    tokens: number,
    arithmetic: string,
  ) {
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#readbacks = Readbacks.in(source.shared);
    this.layout = affineLayout(settings, source.tensor.headDim);
    const range = affineRange(settings, tokens);
    const units = (range.to - range.from) / this.layout.unitTokens;
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    if (units > 0) {
      this.#codes = device.createBuffer({
        label: "codes",
        size: units * this.layout.unitWords * 4,
        usage: storage,
      });
      this.#parameters = device.createBuffer({
        label: "scale_zero",
        size: parameterWords(settings.paramDtype, units * this.layout.unitGroups) * 4,
        usage: storage,
      });
    }
    const constants = {
      channel_axis: settings.axis === "channel" ? 1 : 0,
      half_arithmetic: settings.arithmetic === "f16" ? 1 : 0,
      parameter_type: PARAMETER_TYPES[settings.paramDtype],
    };
    const name = settings.family;
    const quantize = [pack, group, arithmetic, groupQuantize];
    const restore = [pack, group, arithmetic, groupRestore];
    this.#quantize = computePipeline(device, name, "quantize", quantize, constants);
    this.#restore = computePipeline(device, name, "restore", restore, constants);

    const table: number[] = [];
    let chunks = 0;
    for (const band of this.layout.bands) {
      const codes = chunkCodes(band, this.layout.groupSize);
      table.push(
        band.firstHead,
        band.heads,
        band.bits,
        band.topCode,
        band.rowWords,
        band.wordOffset,
        band.groupOffset,
        codes,
        chunks,
      );
      chunks += band.rows * band.rowCodes / codes;
    }
    this.#unitChunks = chunks;
    const words = Uint32Array.from(table);
    this.#bands = device.createBuffer({ size: words.byteLength, usage: storage });
    device.queue.writeBuffer(this.#bands, 0, words);
    this.#failure = device.createBuffer({ size: 4, usage: storage });
    device.queue.writeBuffer(this.#failure, 0, Uint32Array.of(NO_FAILURE));
    const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#growJob = device.createBuffer({ size: 64, usage: uniform });
    this.#restoreJob = device.createBuffer({ size: 64, usage: uniform });
    this.#quantized = affineRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = affineRange(this.#settings, n);
    const units = (range.to - range.from) / this.layout.unitTokens;
    this.#quantized = range;
    if (units <= this.#units || this.#codes === undefined || this.#parameters === undefined) return;
    const added = units - this.#units;
    this.#writeJob(this.#growJob, this.#source.tensor.capacity, this.#units, added);
    const bindGroup = bindBuffers(this.#device, this.#quantize, [
      this.#growJob,
      this.#bands,
      this.#source.tensor.buffer,
      this.#codes,
      this.#parameters,
      this.#failure,
    ]);
    dispatch(this.#device, this.#quantize, bindGroup, added * this.#unitChunks);
    this.#units = units;
    this.#readbacks.await(this.#check);
  }

  restore(target: GpuTensor): void {
    if (this.#units === 0 || this.#codes === undefined || this.#parameters === undefined) return;
    this.#writeJob(this.#restoreJob, target.capacity, 0, this.#units);
    const bindGroup = bindBuffers(this.#device, this.#restore, [
      this.#restoreJob,
      this.#bands,
      this.#codes,
      this.#parameters,
      target.buffer,
    ]);
    const tokens = this.#units * this.layout.unitTokens;
    dispatch(this.#device, this.#restore, bindGroup, target.heads * tokens * target.headDim);
  }

  async settle(): Promise<void> {
    await this.#readbacks.settle(this.#device, this.#check);
    if (this.#failed !== NO_FAILURE) {
      const { heads } = this.#source.tensor;
      const token = Math.floor(this.#failed / heads);
      throw notFiniteError(this.#source, this.#failed % heads, token);
    }
  }

  buffers(n: number): readonly StoredBuffer[] {
    return storedBuffers(this.#settings, this.layout, affineRange(this.#settings, n));
  }

  async contents(): Promise<readonly BufferContents[]> {
    const read = (buffer: GPUBuffer | undefined) =>
      buffer === undefined
        ? Promise.resolve(new Uint32Array(0))
        : readWords(this.#device, buffer, buffer.size);
    return [
      { role: "codes", words: await read(this.#codes) },
      { role: "scale_zero", words: await read(this.#parameters) },
    ];
  }

  free(): void {
    this.#readbacks.drop(this.#check);
    this.#bands.destroy();
    this.#growJob.destroy();
    this.#restoreJob.destroy();
    this.#failure.destroy();
    this.#codes?.destroy();
    this.#parameters?.destroy();
  }

  #writeJob(buffer: GPUBuffer, capacity: number, firstUnit: number, units: number): void {
    const { heads, headDim } = this.#source.tensor;
    const { groupSize, unitTokens, unitWords, unitGroups, bands } = this.layout;
    const job = new Uint32Array([
      heads,
      headDim,
      capacity,
      this.#quantized.from,
      groupSize,
      unitTokens,
      unitWords,
      unitGroups,
      this.#unitChunks,
      bands.length,
      firstUnit,
      units,
      0,
      0,
    ]);
    new Float32Array(job.buffer).set([this.#settings.clipRatio, this.#settings.scaleFloor], 12);
    this.#device.queue.writeBuffer(buffer, 0, job);
  }
}
