/**
 * The packed cache of `transform` in GPU buffers, laid out as on the CPU.
 *
 * How long a stream becomes is known only on the device. Every dispatch therefore puts its streams
 * into a buffer with room for the worst case; `settle` learns where they end, and moves them to the
 * end of the store's own buffer. Until then `restore` reads both.
 *
 * @module
 */
import { appendParts } from "../../gpu/append_parts.ts";
import {
  bindNumbered,
  computePipeline,
  dispatch,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import {
  type ReadbackClient,
  Readbacks,
  readUsed,
  type WordRegion,
} from "../../gpu/shared_readback.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import type { GpuTensor, TokenRange } from "../../tensor.ts";
import { DEAD_ZONE } from "./component_codes.ts";
import componentKernels from "./transform_components.wgsl" with { type: "text" };
import streamKernels from "./transform_streams.wgsl" with { type: "text" };
import common from "./transform.wgsl" with { type: "text" };
import {
  GROUP_TOKENS,
  streamWords,
  transformBuffers,
  type TransformLayout,
  transformLayout,
  transformRange,
  worstStreamWords,
} from "./transform_layout.ts";
import type { TransformSettings } from "./transform_settings.ts";

const NO_FAILURE = 0xffffffff;

/** Most words that the codes or the streams of one dispatch may take. */
const MOST_WORDS = 1 << 23;

/** Model constants on a device; every example's store shares them. */
interface Tables {
  readonly layout: TransformLayout;
  readonly places: GPUBuffer;
  readonly constants: GPUBuffer;
  readonly alphabets: GPUBuffer;
  /** Offsets into `constants`. */
  readonly forward: number;
  readonly inverse: number;
  readonly steps: number;
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
  const places = layout.blocks.flatMap((block, b) => [...block.components].flatMap((i) => [b, i]));
  const { frequencies, ends } = layout.alphabets;
  const alphabets = Uint32Array.from(frequencies, (f, i) => f | ends[i]! << 16);
  const { mean, forward, inverse, steps, levels } = layout;
  const parts = [mean, forward, inverse, steps, levels];
  const constants = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  const offsets = parts.map((part) => {
    constants.set(part, at);
    at += part.length;
    return at - part.length;
  });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const store = (label: string, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) => {
    const buffer = device.createBuffer({ label, size: Math.max(8, data.byteLength), usage });
    // Deno panics on an empty array.
    if (data.byteLength > 0) device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  return {
    layout,
    places: store("transform places", Uint32Array.from(places)),
    constants: store("transform constants", constants),
    alphabets: store("transform alphabets", alphabets),
    forward: offsets[1]!,
    inverse: offsets[2]!,
    steps: offsets[3]!,
    levels: offsets[4]!,
  };
}

/** Streams of some groups behind each other. */
interface Part {
  readonly firstGroup: number;
  readonly groups: number;
  readonly words: GPUBuffer;
}

/** Store of `transform` over GPU tensors; `settle` throws on non-finite input. */
export class TransformStoreGpu implements Store<GpuTensor>, ReadbackClient {
  readonly sizesNeedSettle = true;
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #settings: TransformSettings;
  readonly #tables: Tables;
  /** Words of a stream at most, and groups that one dispatch takes. */
  readonly #room: number;
  readonly #most: number;
  readonly #failure: GPUBuffer;
  readonly #job: GPUBuffer;
  readonly #ends: GPUBuffer;
  #streams: GPUBuffer | undefined;
  /** Bit behind the last of each group's stream, as far as `settle` has learned. */
  #knownEnds: number[] = [];
  #pending: Part[] = [];
  #groups = 0;
  #quantized: TokenRange;
  /** Tokens of the last snapshot. */
  #length = 0;
  #error: Error | undefined;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: TransformSettings,
    tokens: number,
  ) {
    this.#device = device;
    this.#source = source;
    this.#settings = settings;
    this.#tables = prepare(device, settings);
    const { stored } = this.#tables.layout;
    this.#room = worstStreamWords(stored);
    this.#most = Math.max(1, Math.floor(MOST_WORDS / Math.max(this.#room, GROUP_TOKENS * stored)));
    const range = transformRange(settings, tokens);
    this.#ends = this.#buffer("stream_ends", (range.to - range.from) / GROUP_TOKENS);
    this.#failure = this.#buffer("failure", 1);
    device.queue.writeBuffer(this.#failure, 0, Uint32Array.of(NO_FAILURE));
    this.#job = device.createBuffer({
      size: 64,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#quantized = transformRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.#length = n;
    this.#quantized = transformRange(this.#settings, n);
    const groups = (this.#quantized.to - this.#quantized.from) / GROUP_TOKENS;
    while (this.#groups < groups) this.#quantize(Math.min(this.#most, groups - this.#groups));
  }

  restore(target: GpuTensor): void {
    const settled = this.#knownEnds.length;
    const parts = settled === 0
      ? this.#pending
      : [{ firstGroup: 0, groups: settled, words: this.#streams! }, ...this.#pending];
    for (const part of parts) {
      for (let done = 0; done < part.groups; done += this.#most) {
        this.#restorePart(target, part, done, Math.min(this.#most, part.groups - done));
      }
    }
  }

  async settle(): Promise<void> {
    await Readbacks.in(this.#source.shared).settle(this.#device, this);
    if (this.#error !== undefined) throw this.#error;
  }

  regions(): readonly WordRegion[] {
    const first = this.#knownEnds.length;
    return [
      { buffer: this.#failure, at: 0, words: 1 },
      { buffer: this.#ends, at: first, words: this.#groups - first },
    ];
  }

  accept(words: Uint32Array<ArrayBuffer>): void {
    const place = words[0]!;
    if (place !== NO_FAILURE) {
      const { heads } = this.#settings;
      this.#error = notFiniteError(this.#source, place % heads, Math.floor(place / heads));
    }
    this.#keep(words.subarray(1));
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = transformRange(this.#settings, n);
    const ends = this.#knownEnds.slice(0, (to - from) / GROUP_TOKENS);
    return transformBuffers(this.#tables.layout, ends);
  }

  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    const buffers = { streams: this.#streams, stream_ends: this.#ends };
    return await readUsed(this.#device, this.buffers(this.#length), buffers);
  }

  free(): void {
    Readbacks.in(this.#source.shared).drop(this);
    for (const { words } of this.#pending) words.destroy();
    for (const buffer of [this.#failure, this.#job, this.#ends, this.#streams]) buffer?.destroy();
  }

  /** Quantizes the next groups. */
  #quantize(groups: number): void {
    const { layout, places, constants, alphabets } = this.#tables;
    const { preRope, tensor } = this.#source;
    const input = this.#settings.kind === "key" ? preRope! : tensor;
    const firstGroup = this.#groups;
    const tokens = groups * GROUP_TOKENS;
    const codes = this.#buffer("codes", tokens * layout.stored);
    const loose = this.#buffer("loose streams", groups * this.#room);
    const lengths = this.#buffer("lengths", groups);
    const words = this.#buffer("pending streams", groups * this.#room);
    this.#writeJob(input, firstGroup, groups, firstGroup);
    this.#run("count_steps", tokens * WORKGROUP_THREADS, {
      1: places,
      2: constants,
      3: codes,
      4: input.buffer,
      5: this.#failure,
    });
    this.#run("write_streams", groups, { 1: alphabets, 2: codes, 3: loose, 4: lengths });
    this.#run("find_ends", 1, { 4: lengths, 5: this.#ends });
    this.#run("close_ranks", groups * WORKGROUP_THREADS, {
      3: loose,
      4: lengths,
      5: this.#ends,
      6: words,
    });
    for (const buffer of [codes, loose, lengths]) buffer.destroy();
    this.#pending.push({ firstGroup, groups, words });
    this.#groups += groups;
    Readbacks.in(this.#source.shared).await(this);
  }

  /** Restores some groups of a part, `done` of which come before them. */
  #restorePart(target: GpuTensor, part: Part, done: number, groups: number): void {
    const { layout, places, constants, alphabets } = this.#tables;
    const tokens = groups * GROUP_TOKENS;
    const rope = this.#settings.kind === "key" ? this.#source.rope : undefined;
    const codes = this.#buffer("codes", tokens * layout.stored);
    this.#writeJob(target, part.firstGroup + done, groups, part.firstGroup);
    this.#run("read_streams", groups, { 1: alphabets, 2: codes, 5: this.#ends, 6: part.words });
    this.#run("rebuild", tokens * WORKGROUP_THREADS, {
      1: places,
      2: constants,
      3: codes,
      4: target.buffer,
      6: rope?.cos.buffer ?? constants,
      7: rope?.sin.buffer ?? constants,
    });
    codes.destroy();
  }

  /** Appends pending streams to the store's own buffer. */
  #keep(ends: Uint32Array): void {
    const startOf = (group: number) =>
      4 * streamWords(group === 0 ? 0 : this.#knownEnds[group - 1]!);
    const held = startOf(this.#knownEnds.length);
    this.#knownEnds.push(...ends);
    this.#streams = appendParts(
      this.#device,
      "streams",
      this.#streams,
      held,
      this.#pending.map(({ firstGroup, groups, words }) => ({
        words,
        bytes: startOf(firstGroup + groups) - startOf(firstGroup),
      })),
    );
    this.#pending = [];
  }

  #run(entryPoint: string, threads: number, buffers: Readonly<Record<number, GPUBuffer>>): void {
    const onComponents = entryPoint === "count_steps" || entryPoint === "rebuild";
    const { heads, headDim } = this.#settings;
    const constants: Record<string, number> = { channels: heads * headDim };
    if (entryPoint === "count_steps") constants.rounding = 0.5 - DEAD_ZONE;
    const pipeline = computePipeline(
      this.#device,
      "transform",
      entryPoint,
      [pack, common, onComponents ? componentKernels : streamKernels],
      onComponents ? constants : {},
    );
    const bound = bindNumbered(this.#device, pipeline, { 0: this.#job, ...buffers });
    dispatch(this.#device, pipeline, bound, threads);
  }

  #writeJob(tensor: GpuTensor, firstGroup: number, groups: number, firstBound: number): void {
    const { layout, forward, inverse, steps, levels } = this.#tables;
    const { heads, headDim, kind } = this.#settings;
    this.#device.queue.writeBuffer(
      this.#job,
      0,
      Uint32Array.of(
        heads,
        headDim,
        tensor.capacity,
        this.#quantized.from + firstGroup * GROUP_TOKENS,
        groups * GROUP_TOKENS,
        firstGroup,
        layout.blocks[0]!.heads,
        layout.stored,
        layout.alphabets.symbols,
        kind === "key" ? 1 : 0,
        forward,
        inverse,
        steps,
        levels,
        this.#room,
        firstBound,
      ),
    );
  }

  /** One word at least: WebGPU has no empty buffers. */
  #buffer(label: string, words: number): GPUBuffer {
    return this.#device.createBuffer({
      label,
      size: 4 * Math.max(1, words),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
  }
}
