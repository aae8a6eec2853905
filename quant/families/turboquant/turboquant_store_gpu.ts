/**
 * The packed cache of `turboquant` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import pack from "../../packing/pack.wgsl" with { type: "text" };
import kernels from "./turboquant.wgsl" with { type: "text" };
import {
  bindNumbered,
  computePipeline,
  dispatch,
  readWords,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import { type ReadbackClient, Readbacks, type WordRegion } from "../../gpu/shared_readback.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";
import {
  normWords,
  turboquantBuffers,
  type TurboquantLayout,
  turboquantLayout,
  turboquantRange,
  type TurboquantSettings,
  type TurboquantTables,
  turboquantTables,
} from "./turboquant_settings.ts";

const NO_FAILURE = 0xffffffff;

/** Tables on a device. */
interface DeviceTables {
  readonly heads: GPUBuffer;
  readonly tables: GPUBuffer;
  /** Offset of the levels in `tables`. */
  readonly levels: number;
}

const known = new WeakMap<GPUDevice, WeakMap<TurboquantTables, DeviceTables>>();

/** The tables of these settings on a device; every store of equal settings shares them. */
function deviceTables(device: GPUDevice, settings: TurboquantSettings): DeviceTables {
  const tables = turboquantTables(settings);
  let onDevice = known.get(device);
  if (onDevice === undefined) known.set(device, onDevice = new WeakMap());
  let found = onDevice.get(tables);
  if (found === undefined) {
    const { wordOffsets } = turboquantLayout(settings);
    const heads: number[] = [];
    const values: number[] = [];
    for (
      const part of [tables.rotation, tables.inverse, tables.projection, tables.backprojection]
    ) {
      for (const value of part) values.push(value);
    }
    const first = values.length;
    settings.bits.forEach((bits, head) => {
      heads.push(bits, wordOffsets[head]!, values.length - first);
      values.push(...tables.levels[head]!);
    });
    found = {
      heads: upload(device, "heads", Uint32Array.from(heads)),
      tables: upload(device, "tables", Float32Array.from(values)),
      levels: first,
    };
    onDevice.set(tables, found);
  }
  return found;
}

function storage(device: GPUDevice, label: string, words: number): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return device.createBuffer({ label, size: words * 4, usage });
}

function upload(
  device: GPUDevice,
  label: string,
  words: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
): GPUBuffer {
  const buffer = storage(device, label, words.length);
  device.queue.writeBuffer(buffer, 0, words);
  return buffer;
}

/** Store of `turboquant` over GPU tensors; `settle` throws on non-finite input. */
export class TurboquantStoreGpu implements Store<GpuTensor>, ReadbackClient {
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #settings: TurboquantSettings;
  readonly #layout: TurboquantLayout;
  readonly #tables: DeviceTables;
  readonly #failure: GPUBuffer;
  readonly #growJob: GPUBuffer;
  readonly #restoreJob: GPUBuffer;
  /** Absent while no token fits: WebGPU has no empty buffers. */
  readonly #codes: GPUBuffer | undefined;
  readonly #norms: GPUBuffer | undefined;
  #quantized: TokenRange;
  #error: Error | undefined;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: TurboquantSettings,
    tokens: number,
  ) {
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#layout = turboquantLayout(settings);
    this.#tables = deviceTables(device, settings);
    this.#failure = upload(device, "failure", Uint32Array.of(NO_FAILURE));
    const range = turboquantRange(settings, tokens);
    const count = range.to - range.from;
    if (count > 0) {
      this.#codes = storage(device, "codes", count * this.#layout.tokenWords);
      this.#norms = storage(device, "norms", normWords(settings, count * this.#layout.tokenNorms));
    }
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#growJob = device.createBuffer({ label: "grow", size: 32, usage });
    this.#restoreJob = device.createBuffer({ label: "restore", size: 32, usage });
    this.#quantized = turboquantRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const first = this.#quantized.to;
    this.#quantized = turboquantRange(this.#settings, n);
    const tokens = this.#quantized.to - first;
    if (tokens <= 0) return;
    this.#run("quantize", this.#growJob, this.#source.tensor, first, tokens);
    Readbacks.in(this.#source.shared).await(this);
  }

  restore(target: GpuTensor): void {
    const tokens = this.#quantized.to;
    if (tokens > 0) this.#run("restore", this.#restoreJob, target, 0, tokens);
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
    const heads = this.#settings.bits.length;
    this.#error = notFiniteError(this.#source, place! % heads, Math.floor(place! / heads));
  }

  buffers(n: number): readonly StoredBuffer[] {
    return turboquantBuffers(this.#settings, this.#layout, turboquantRange(this.#settings, n));
  }

  async contents(): Promise<readonly BufferContents[]> {
    const read = async (buffer: GPUBuffer | undefined) =>
      buffer === undefined
        ? new Uint32Array(0)
        : await readWords(this.#device, buffer, buffer.size);
    return [
      { role: "codes", words: await read(this.#codes) },
      { role: "norms", words: await read(this.#norms) },
    ];
  }

  free(): void {
    Readbacks.in(this.#source.shared).drop(this);
    this.#failure.destroy();
    this.#growJob.destroy();
    this.#restoreJob.destroy();
    this.#codes?.destroy();
    this.#norms?.destroy();
  }

  #run(
    entryPoint: "quantize" | "restore",
    job: GPUBuffer,
    tensor: GpuTensor,
    first: number,
    tokens: number,
  ): void {
    const { headDim, bits, variant, paramDtype } = this.#settings;
    const heads = bits.length;
    const { tokenWords } = this.#layout;
    this.#device.queue.writeBuffer(
      job,
      0,
      Uint32Array.of(
        heads,
        headDim,
        tensor.capacity,
        first,
        tokens,
        tokenWords,
        this.#tables.levels,
      ),
    );
    const pipeline = computePipeline(this.#device, "turboquant", entryPoint, [pack, kernels], {
      channels: headDim,
      signs: variant === "prod" ? 1 : 0,
      wide_norms: paramDtype === "f32" ? 1 : 0,
    });
    const bound = bindNumbered(this.#device, pipeline, {
      0: job,
      1: this.#tables.heads,
      2: this.#tables.tables,
      3: this.#codes!,
      4: this.#norms!,
      5: tensor.buffer,
      ...(entryPoint === "quantize" ? { 6: this.#failure } : {}),
    });
    dispatch(this.#device, pipeline, bound, tokens * heads * WORKGROUP_THREADS);
  }
}
