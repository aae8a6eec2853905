/**
 * The packed cache of `transform` in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import pack from "../packing/pack.wgsl" with { type: "text" };
import kernels from "./transform.wgsl" with { type: "text" };
import {
  computePipeline,
  dispatch,
  readWords,
  WORKGROUP_THREADS,
} from "../backend/compute_pipelines.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../family.ts";
import { notFiniteError } from "../finite_input.ts";
import type { GpuTensor, TokenRange } from "../tensor.ts";
import { transformRange, type TransformSettings } from "./transform.ts";
import {
  rowsWords,
  transformBuffers,
  type TransformLayout,
  transformLayout,
} from "./transform_layout.ts";

const NO_FAILURE = 0xffffffff;

/** Model constants on a device; every example's store shares them. */
interface Tables {
  readonly layout: TransformLayout;
  readonly coded: number;
  readonly tables: GPUBuffer;
  readonly constants: GPUBuffer;
  /** Offsets into `constants`. */
  readonly forward: number;
  readonly inverse: number;
  readonly levels: number;
}

const prepared = new WeakMap<GPUDevice, WeakMap<TransformSettings, Tables>>();

function prepare(device: GPUDevice, settings: TransformSettings): Tables {
  let known = prepared.get(device);
  if (known === undefined) prepared.set(device, known = new WeakMap());
  let ready = known.get(settings);
  if (ready === undefined) known.set(settings, ready = upload(device, settings));
  return ready;
}

function upload(device: GPUDevice, settings: TransformSettings): Tables {
  const layout = transformLayout(settings);
  const rows: number[] = [];
  layout.blocks.forEach((block, b) => {
    block.components.forEach((component, k) => {
      rows.push(component, block.widths[k]!, block.bits[k]!, block.levels[k]!, b);
    });
  });
  const coded = layout.blocks.reduce((sum, block) => sum + block.components.length, 0);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const store = (label: string, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) => {
    const buffer = device.createBuffer({ label, size: Math.max(4, data.byteLength), usage });
    // Deno panics on an empty array.
    if (data.byteLength > 0) device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  const { mean, deviations, forward, inverse, levels } = layout;
  const parts = [mean, deviations, forward, inverse, levels];
  const constants = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  const offsets = parts.map((part) => {
    constants.set(part, at);
    at += part.length;
    return at - part.length;
  });
  return {
    layout,
    coded,
    tables: store("transform tables", Uint32Array.from(rows)),
    constants: store("transform constants", constants),
    forward: offsets[2]!,
    inverse: offsets[3]!,
    levels: offsets[4]!,
  };
}

/** Store of `transform` over GPU tensors; `settle` throws on non-finite input. */
export class TransformStoreGpu implements Store<GpuTensor> {
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #settings: TransformSettings;
  readonly #shared: Tables;
  readonly #failure: GPUBuffer;
  readonly #growJob: GPUBuffer;
  readonly #restoreJob: GPUBuffer;
  /** One word at least: WebGPU has no empty buffers. */
  readonly #rows: GPUBuffer;
  readonly #bytes: number;
  #quantized: TokenRange;
  #unchecked = false;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: TransformSettings,
    tokens: number,
  ) {
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#shared = prepare(device, settings);
    const range = transformRange(settings, tokens);
    const bytes = rowsWords(range.to - range.from, this.#shared.layout.rowBits) * 4;
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#bytes = bytes;
    this.#rows = device.createBuffer({ label: "rows", size: Math.max(4, bytes), usage: storage });
    this.#failure = device.createBuffer({ size: 4, usage: storage });
    device.queue.writeBuffer(this.#failure, 0, Uint32Array.of(NO_FAILURE));
    const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#growJob = device.createBuffer({ size: 64, usage: uniform });
    this.#restoreJob = device.createBuffer({ size: 64, usage: uniform });
    this.#quantized = transformRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = transformRange(this.#settings, n);
    const first = Math.max(range.from, this.#quantized.to);
    this.#quantized = range;
    if (range.to <= first) return;
    const input = this.#settings.kind === "key" ? this.#source.preRope! : this.#source.tensor;
    this.#run("quantize", this.#growJob, input, range.from, first, range.to - first);
    this.#unchecked = true;
  }

  restore(target: GpuTensor): void {
    const { from, to } = this.#quantized;
    if (to > from) this.#run("restore", this.#restoreJob, target, from, from, to - from);
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
    const range = transformRange(this.#settings, n);
    return transformBuffers(this.#settings, this.#shared.layout.rowBits, range);
  }

  async contents(): Promise<readonly BufferContents[]> {
    const words = this.#bytes === 0
      ? new Uint32Array(0)
      : await readWords(this.#device, this.#rows, this.#bytes);
    return [{ role: "rows", words }];
  }

  free(): void {
    this.#failure.destroy();
    this.#growJob.destroy();
    this.#restoreJob.destroy();
    this.#rows.destroy();
  }

  #run(
    entryPoint: "quantize" | "restore",
    job: GPUBuffer,
    tensor: GpuTensor,
    origin: number,
    first: number,
    tokens: number,
  ): void {
    const { layout, coded, tables, constants, forward, inverse, levels } = this.#shared;
    const { heads, headDim } = this.#settings;
    const rope = this.#settings.kind === "key" ? this.#source.rope : undefined;
    this.#device.queue.writeBuffer(
      job,
      0,
      Uint32Array.of(
        heads,
        headDim,
        tensor.capacity,
        origin,
        first,
        tokens,
        layout.blocks[0]!.heads,
        coded,
        layout.rowBits,
        rope === undefined ? 0 : 1,
        forward,
        inverse,
        levels,
        this.#settings.levels === "token" ? layout.blocks.length : 0,
      ),
    );
    const pipeline = computePipeline(
      this.#device,
      "transform",
      entryPoint,
      [pack, kernels],
      { channels: heads * headDim },
    );
    const bound: [number, GPUBuffer][] = [[0, job], [1, tables], [2, constants], [3, this.#rows], [
      4,
      tensor.buffer,
    ]];
    if (entryPoint === "quantize") bound.push([5, this.#failure]);
    else bound.push([6, rope?.cos.buffer ?? constants], [7, rope?.sin.buffer ?? constants]);
    const bindGroup = this.#device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map(([binding, buffer]) => ({ binding, resource: { buffer } })),
    });
    dispatch(this.#device, pipeline, bindGroup, tokens * WORKGROUP_THREADS);
  }
}
