/**
 * The packed cache of `kvquant` in GPU buffers, laid out as on the CPU.
 *
 * How many outliers a token has is known only on the device. Every dispatch therefore writes its
 * outliers to a buffer with room for the worst case; `settle` learns the counts, and moves them to
 * the end of the store's own buffer. Until then `restore` reads both.
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
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import common from "./kvquant.wgsl" with { type: "text" };
import outlierKernels from "./kvquant_outliers.wgsl" with { type: "text" };
import overlayKernel from "./kvquant_overlay.wgsl" with { type: "text" };
import quantizeKernel from "./kvquant_quantize.wgsl" with { type: "text" };
import restoreKernel from "./kvquant_restore.wgsl" with { type: "text" };
import { kvquantBuffers, outlierWords } from "./kvquant_buffers.ts";
import { bookOf, channelRule, channelTable } from "./kvquant_rule.ts";
import {
  kvquantRange,
  type KvquantSettings,
  type TokenRows,
  tokenRows,
} from "./kvquant_settings.ts";
import { CodeFinder } from "../../numerics/codebook.ts";
import orderStatistic from "../../numerics/order_statistic.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { parameterWords } from "../../packing/parameters.ts";
import { quantileRank } from "../../numerics/quantile_ends.ts";
import { preRopeOf, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import {
  type ReadbackClient,
  Readbacks,
  readUsed,
  type WordRegion,
} from "../../gpu/shared_readback.ts";
import type { GpuTensor, TokenRange } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;

/** Most words that the outliers of one dispatch may take. */
const MOST_PENDING_WORDS = 1 << 23;

/** Outliers of some tokens that are not yet in the store's own buffer. */
interface Pending {
  readonly first: number;
  readonly tokens: number;
  readonly words: GPUBuffer;
}

/** Store of `kvquant` over GPU tensors; `settle` throws on non-finite input. */
export class KvquantStoreGpu implements Store<GpuTensor>, ReadbackClient {
  readonly #device: GPUDevice;
  readonly #source: Source<GpuTensor>;
  readonly #tensor: GpuTensor;
  readonly #settings: KvquantSettings;
  readonly #layout: TokenRows;
  readonly #constants: Record<string, number>;
  readonly #job: GPUBuffer;
  readonly #failure: GPUBuffer;
  /** Rows of codes, with where their boundaries and where their values begin. */
  readonly #boundRows: GPUBuffer;
  readonly #valueRows: GPUBuffer;
  readonly #bounds: GPUBuffer;
  readonly #values: GPUBuffer;
  readonly #channels: GPUBuffer;
  /** Absent while no token fits: WebGPU has no empty buffers. */
  readonly #codes: GPUBuffer | undefined;
  readonly #parameters: GPUBuffer | undefined;
  readonly #rowEnds: GPUBuffer | undefined;
  #outliers: GPUBuffer | undefined;
  /** Outliers up to and including each token, as far as `settle` has learned. */
  #knownEnds = new Uint32Array(0);
  #pending: Pending[] = [];
  #quantized: TokenRange;
  #tokens = 0;
  /** Tokens of the last snapshot. */
  #length = 0;
  #error: Error | undefined;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: KvquantSettings,
    tokens: number,
  ) {
    this.#device = device;
    this.#source = source;
    this.#tensor = settings.preRope ? preRopeOf(source).tensor : source.tensor;
    this.#settings = settings;
    const { heads, headDim } = this.#tensor;
    const channels = heads * headDim;
    this.#layout = tokenRows(settings.bits, headDim);
    const rule = settings.axis === "channel" ? channelRule(settings, headDim) : undefined;
    const sparse = settings.outliersRatio > 0;
    this.#constants = {
      calibrated: rule === undefined ? 0 : 1,
      whole: settings.quantizer === "int" ? 1 : 0,
      round_zero: settings.roundZero ? 1 : 0,
      sparse: sparse ? 1 : 0,
      wide: settings.paramDtype === "f32" ? 1 : 0,
    };
    const [boundRows, valueRows, bounds, values]: number[][] = [[], [], [], []];
    for (const row of this.#layout.rows) {
      const book = bookOf(settings, row.bits);
      const masked = settings.quantizer === "int" ? 0 : new CodeFinder(book.bounds).find(0);
      const { firstHead, codes, bits, wordOffset, words } = row;
      const base = [firstHead * headDim, codes, bits, wordOffset, words];
      boundRows!.push(...base, bounds!.length, masked);
      valueRows!.push(...base, values!.length, masked);
      bounds!.push(...book.bounds);
      const table = rule === undefined
        ? book.values
        : channelTable(settings, rule, book, firstHead * headDim, codes);
      for (const value of table) values!.push(value);
    }
    this.#boundRows = this.#upload(Uint32Array.from(boundRows!));
    this.#valueRows = this.#upload(Uint32Array.from(valueRows!));
    this.#bounds = this.#upload(Float32Array.from(bounds!));
    this.#values = this.#upload(Float32Array.from(values!));
    const perChannel = new Float32Array(rule === undefined ? 4 : 4 * channels);
    for (let i = 0; rule !== undefined && i < channels; i++) {
      perChannel.set([rule.lower[i]!, rule.upper[i]!, rule.factor[i]!, rule.offset[i]!], 4 * i);
    }
    this.#channels = this.#upload(perChannel);

    const range = kvquantRange(settings, tokens);
    const room = range.to - range.from;
    if (room > 0) {
      this.#codes = this.#buffer("codes", room * this.#layout.words);
      this.#parameters = this.#buffer(
        "scale_zero",
        rule === undefined ? parameterWords(settings.paramDtype, room) : 1,
      );
      if (sparse) this.#rowEnds = this.#buffer("row_pointers", room);
    }
    this.#failure = this.#upload(Uint32Array.of(NO_FAILURE));
    this.#job = device.createBuffer({
      size: 48,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#quantized = kvquantRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  get sizesNeedSettle(): boolean {
    return this.#settings.outliersRatio > 0;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.#length = n;
    this.#quantized = kvquantRange(this.#settings, n);
    const tokens = this.#quantized.to - this.#quantized.from;
    const worst = this.#tensor.heads * this.#tensor.headDim * outlierWords(this.#settings);
    const most = Math.max(1, Math.floor(MOST_PENDING_WORDS / worst));
    while (this.#tokens < tokens) {
      this.#quantizeTokens(this.#tokens, Math.min(most, tokens - this.#tokens), worst);
    }
  }

  restore(target: GpuTensor): void {
    if (this.#codes === undefined || this.#parameters === undefined || this.#tokens === 0) return;
    const device = this.#device;
    const restore = this.#pipeline("restore", [pack, common, restoreKernel]);
    this.#writeJob(target.capacity, 0, this.#tokens);
    const bound = bindNumbered(device, restore, {
      0: this.#job,
      1: this.#valueRows,
      2: this.#codes,
      3: this.#parameters,
      4: this.#values,
      5: target.buffer,
    });
    dispatch(device, restore, bound, target.heads * this.#tokens * target.headDim);
    if (this.#rowEnds !== undefined) {
      const settled = this.#knownEnds.length;
      if (settled > 0 && this.#outliers !== undefined) {
        this.#overlay(target, { first: 0, tokens: settled, words: this.#outliers });
      }
      for (const pending of this.#pending) this.#overlay(target, pending);
    }
    if (this.#settings.preRope) {
      rotateOnGpu(device, target, this.#quantized, preRopeOf(this.#source).rope);
    }
  }

  async settle(): Promise<void> {
    await Readbacks.in(this.#source.shared).settle(this.#device, this);
    if (this.#error !== undefined) throw this.#error;
  }

  regions(): readonly WordRegion[] {
    const first = this.#knownEnds.length;
    const ends = this.#rowEnds;
    return [
      { buffer: this.#failure, at: 0, words: 1 },
      ...(ends === undefined ? [] : [{ buffer: ends, at: first, words: this.#tokens - first }]),
    ];
  }

  accept(words: Uint32Array<ArrayBuffer>): void {
    const place = words[0]!;
    if (place !== NO_FAILURE) {
      const { heads } = this.#tensor;
      this.#error = notFiniteError(this.#source, place % heads, Math.floor(place / heads));
    }
    if (words.length === 1) return;
    const ends = new Uint32Array(this.#tokens);
    ends.set(this.#knownEnds);
    ends.set(words.subarray(1), this.#knownEnds.length);
    this.#keep(ends);
    this.#knownEnds = ends;
  }

  buffers(n: number): readonly StoredBuffer[] {
    const range = kvquantRange(this.#settings, n);
    const tokens = range.to - range.from;
    const outliers = tokens === 0 ? 0 : this.#knownEnds[tokens - 1] ?? 0;
    return kvquantBuffers(this.#settings, this.#layout, this.#tensor.headDim, tokens, outliers);
  }

  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    const buffers = {
      codes: this.#codes,
      scale_zero: this.#parameters,
      row_pointers: this.#rowEnds,
      outliers: this.#outliers,
    };
    return await readUsed(this.#device, this.buffers(this.#length), buffers);
  }

  free(): void {
    Readbacks.in(this.#source.shared).drop(this);
    for (const { words } of this.#pending) words.destroy();
    for (
      const buffer of [
        this.#job,
        this.#failure,
        this.#boundRows,
        this.#valueRows,
        this.#bounds,
        this.#values,
        this.#channels,
        this.#codes,
        this.#parameters,
        this.#rowEnds,
        this.#outliers,
      ]
    ) buffer?.destroy();
  }

  /** Quantizes the tokens `first .. first + tokens - 1`, counted from the first quantized one. */
  #quantizeTokens(first: number, tokens: number, worst: number): void {
    const device = this.#device;
    const marks = this.#buffer("marks", 4 * tokens);
    this.#writeJob(this.#tensor.capacity, first, tokens);
    const quantize = this.#pipeline("quantize", [pack, orderStatistic, common, quantizeKernel]);
    const bound = bindNumbered(device, quantize, {
      0: this.#job,
      1: this.#boundRows,
      2: this.#tensor.buffer,
      3: this.#bounds,
      4: this.#channels,
      5: this.#codes!,
      6: this.#parameters!,
      7: marks,
      8: this.#failure,
    });
    dispatch(device, quantize, bound, tokens * WORKGROUP_THREADS);
    if (this.#rowEnds !== undefined) {
      const words = this.#buffer("outliers", tokens * worst);
      const sources = [pack, common, outlierKernels];
      const count = this.#pipeline("count_outliers", sources);
      const counted = { 0: this.#job, 3: marks, 5: this.#rowEnds };
      dispatch(device, count, bindNumbered(device, count, counted), WORKGROUP_THREADS);
      const write = this.#pipeline("write_outliers", sources);
      const written = { ...counted, 2: this.#tensor.buffer, 4: this.#channels, 6: words };
      dispatch(device, write, bindNumbered(device, write, written), tokens);
      this.#pending.push({ first, tokens, words });
    }
    marks.destroy();
    this.#tokens = first + tokens;
    Readbacks.in(this.#source.shared).await(this);
  }

  #overlay(target: GpuTensor, { first, tokens, words }: Pending): void {
    this.#writeJob(target.capacity, first, tokens);
    const overlay = this.#pipeline("overlay", [pack, common, overlayKernel]);
    const bound = bindNumbered(this.#device, overlay, {
      0: this.#job,
      2: this.#rowEnds!,
      3: words,
      4: target.buffer,
    });
    dispatch(this.#device, overlay, bound, tokens);
  }

  /** Appends pending outliers to the store's own buffer. */
  #keep(ends: Uint32Array): void {
    const size = 4 * outlierWords(this.#settings);
    const bytesBefore = (token: number) => size * (token === 0 ? 0 : ends[token - 1]!);
    this.#outliers = appendParts(
      this.#device,
      "outliers",
      this.#outliers,
      size * (this.#knownEnds.at(-1) ?? 0),
      this.#pending.map(({ first, tokens, words }) => ({
        words,
        bytes: bytesBefore(first + tokens) - bytesBefore(first),
      })),
    );
    this.#pending = [];
  }

  #pipeline(entryPoint: string, sources: readonly string[]): GPUComputePipeline {
    return computePipeline(this.#device, "kvquant", entryPoint, sources, this.#constants);
  }

  #buffer(label: string, words: number): GPUBuffer {
    return this.#device.createBuffer({
      label,
      size: 4 * words,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
  }

  #upload(data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer("tables", Math.max(1, data.length));
    // Deno 2.9.6 aborts when it is asked to write nothing.
    if (data.length > 0) this.#device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  #writeJob(capacity: number, first: number, tokens: number): void {
    const { heads, headDim } = this.#tensor;
    const t = 1 - this.#settings.outliersRatio / 2;
    const low = quantileRank(1 - t, heads * headDim);
    const high = quantileRank(t, heads * headDim);
    const job = new Uint32Array([
      heads,
      headDim,
      capacity,
      this.#quantized.from,
      first,
      tokens,
      this.#layout.words,
      this.#layout.rows.length,
      low.below,
      high.below,
      0,
      0,
    ]);
    new Float32Array(job.buffer).set([low.weight, high.weight], 10);
    this.#device.queue.writeBuffer(this.#job, 0, job);
  }
}
