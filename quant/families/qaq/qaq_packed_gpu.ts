/**
 * The packed entries of `qaq` in GPU buffers, laid out as on the CPU.
 *
 * How long the streams get is known only on the device. Growing therefore measures the groups and
 * finds their places; their codes and outliers are written once `settle` has learned the totals, to
 * buffers of the right size, or before `restore`, to buffers with room for the worst case.
 *
 * @module
 */
import { type AttentionInputs, attentionMaxima } from "./attention_maxima_gpu.ts";
import {
  bindNumbered,
  computePipeline,
  dispatch,
  WORKGROUP_THREADS,
} from "../../gpu/compute_pipelines.ts";
import type { BufferContents, KvKind, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import orderStatistic from "../../numerics/order_statistic.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import common from "./qaq.wgsl" with { type: "text" };
import measureKernel from "./qaq_measure.wgsl" with { type: "text" };
import placeKernel from "./qaq_place.wgsl" with { type: "text" };
import restoreKernels from "./qaq_restore.wgsl" with { type: "text" };
import sourceAccess from "./qaq_source.wgsl" with { type: "text" };
import writeKernel from "./qaq_write.wgsl" with { type: "text" };
import { qaqBuffers, type QaqTotals } from "./qaq_buffers.ts";
import { largestError, normalCodes } from "./qaq_rule.ts";
import {
  momentOf,
  type QaqLayout,
  qaqLayout,
  qaqRange,
  type QaqSettings,
  WIDTH_BITS,
} from "./qaq_settings.ts";
import {
  type ReadbackClient,
  Readbacks,
  readUsed,
  type WordRegion,
} from "../../gpu/shared_readback.ts";
import type { GpuTensor } from "../../tensor.ts";

const NO_FAILURE = 0xffffffff;
/** Words of a record (qaq.wgsl). */
const RECORD_WORDS = 9;
const STREAMS = ["codes", "positions", "values", "exceptions"] as const;
type Stream = typeof STREAMS[number];

/** What is packed together, and what it is packed by. */
export interface QaqGpuInput {
  readonly settings: QaqSettings;
  /** Tensors of the layers, one or all. */
  readonly tensors: readonly GpuTensor[];
  /** Number of the first layer, for messages. */
  readonly firstLayer: number;
  readonly kind: KvKind;
  /** Layers of the model. */
  readonly modelLayers: number;
  /** Length of the first snapshot. */
  readonly promptTokens: number;
  /** Queries and keys of each of the layers, when values are given widths by attention. */
  readonly attention?: readonly AttentionInputs[];
  readonly shared: Map<string, unknown>;
}

/** Groups that are measured but not yet written. */
interface Pending {
  readonly first: number;
  readonly tokens: number;
  readonly records: GPUBuffer;
  /** Entries of the tokens where they had to be brought together; else the tensor is read. */
  readonly gathered: GPUBuffer | undefined;
}

/** See the module. */
export class QaqPackedGpu implements ReadbackClient {
  readonly layout: QaqLayout;
  readonly #device: GPUDevice;
  readonly #input: QaqGpuInput;
  readonly #constants: Record<string, number>;
  readonly #groupBits: GPUBuffer;
  readonly #bounds: GPUBuffer;
  readonly #centres: GPUBuffer;
  readonly #parameters: GPUBuffer;
  readonly #widths: GPUBuffer;
  readonly #state: GPUBuffer;
  readonly #tokenTotals: GPUBuffer;
  readonly #failure: GPUBuffer;
  readonly #streams: Record<Stream, GPUBuffer>;
  readonly #room: number;
  #pending: Pending[] = [];
  /** Totals up to and including each token, as far as they have been read back. */
  readonly #totals: QaqTotals[] = [];
  #error: Error | undefined;
  #tokens = 0;

  /**
   * @param tokens length of the longest snapshot
   */
  constructor(device: GPUDevice, input: QaqGpuInput, tokens: number) {
    this.#device = device;
    this.#input = input;
    const { settings } = input;
    const layout = qaqLayout(settings, input.tensors[0]!, input.modelLayers);
    this.layout = layout;
    const range = qaqRange(settings, tokens);
    const room = this.#room = range.to - range.from;
    const wide = settings.paramDtype === "f32";
    this.#constants = {
      sparse: settings.outliersRatio > 0 ? 1 : 0,
      symmetric: settings.symmetric ? 1 : 0,
      normal: settings.method === "normal" ? 1 : 0,
      adaptive: settings.useAttentions ? 1 : 0,
      attentive: input.attention === undefined ? 0 : 1,
      wide: wide ? 1 : 0,
    };
    const headsPerGroup = layout.groupSize / layout.headDim;
    this.#groupBits = this.#upload(
      Uint32Array.from(
        { length: layout.groups },
        (_, group) => settings.bits[group * headsPerGroup % layout.heads]!,
      ),
    );
    const tables = normalTables(settings);
    this.#bounds = this.#upload(tables.bounds);
    this.#centres = this.#upload(tables.centres);
    const parameters = room * layout.groups * (settings.symmetric ? 1 : 2);
    this.#parameters = this.#buffer("scale_mean", Math.ceil(wide ? parameters : parameters / 2));
    this.#widths = this.#buffer(
      "widths",
      settings.useAttentions ? Math.ceil(room * layout.groups * WIDTH_BITS / 32) : 0,
    );
    this.#state = this.#buffer("state", 4);
    this.#tokenTotals = this.#buffer("totals", 4 * room);
    this.#failure = this.#upload(Uint32Array.of(NO_FAILURE));
    this.#streams = {
      codes: this.#buffer("codes", 0),
      positions: this.#buffer("outlier_positions", 0),
      values: this.#buffer("outlier_values", 0),
      exceptions: this.#buffer("exceptions", 0),
    };
  }

  /** Measures what a snapshot of `n` tokens quantizes and is not yet packed. */
  grow(n: number): void {
    const { settings, promptTokens } = this.#input;
    const { to } = qaqRange(settings, n);
    while (this.#tokens < to) {
      const moment = momentOf(settings, this.#tokens, promptTokens);
      let end = to;
      // Tokens of one moment are measured together: the prompt's, then each on its own.
      if (settings.useAttentions) {
        end = this.#tokens + 1;
        while (end < to && momentOf(settings, end, promptTokens) === moment) end++;
      }
      this.#measure(this.#tokens, end - this.#tokens, moment);
      this.#tokens = end;
      Readbacks.in(this.#input.shared).await(this);
    }
  }

  /** Learns the totals, and writes what is pending. */
  async settle(): Promise<void> {
    await Readbacks.in(this.#input.shared).settle(this.#device, this);
    if (this.#error !== undefined) throw this.#error;
  }

  regions(): readonly WordRegion[] {
    const known = this.#totals.length;
    return [
      { buffer: this.#failure, at: 0, words: 1 },
      { buffer: this.#tokenTotals, at: 4 * known, words: 4 * (this.#tokens - known) },
    ];
  }

  accept(words: Uint32Array<ArrayBuffer>): void {
    const place = words[0]!;
    if (place !== NO_FAILURE) {
      const { heads, layers } = this.layout;
      const head = place % (heads * layers);
      const layer = this.#input.firstLayer + Math.floor(head / heads);
      const token = Math.floor(place / (heads * layers));
      const { kind } = this.#input;
      this.#error = notFiniteError({ layer, kind }, head % heads, token);
    }
    for (let i = 1; i < words.length; i += 4) {
      const [codes, codeBits, outliers, exceptions] = words.subarray(i, i + 4);
      this.#totals.push({
        codes: codes!,
        codeBits: codeBits!,
        outliers: outliers!,
        exceptions: exceptions!,
      });
    }
    this.#write(this.#totals.at(-1) ?? NOTHING, 1.0625);
  }

  /** Writes the restored tokens of one of the layers to their positions in `target`. */
  restore(layer: number, target: GpuTensor): void {
    if (this.#tokens === 0) return;
    this.#writeUnsettled();
    const device = this.#device;
    const { heads, headDim, groups } = this.layout;
    const job = this.#job({
      base: layer * heads * headDim,
      headStride: target.capacity * headDim,
      layerStride: 0,
      first: 0,
      tokens: this.#tokens,
    });
    const located = this.#buffer("located", 4 * this.#tokens * groups);
    const sources = [pack, common, restoreKernels];
    const locate = this.#pipeline("locate", sources);
    const found = bindNumbered(device, locate, {
      0: job,
      1: located,
      2: this.#groupBits,
      3: this.#widths,
      4: this.#streams.exceptions,
      5: this.#state,
    });
    dispatch(device, locate, found, WORKGROUP_THREADS);
    const restore = this.#pipeline("restore", sources);
    const bound = bindNumbered(device, restore, {
      0: job,
      1: located,
      6: this.#streams.codes,
      7: this.#streams.positions,
      8: this.#streams.values,
      9: this.#parameters,
      10: this.#centres,
      11: target.buffer,
    });
    dispatch(device, restore, bound, heads * this.#tokens * headDim);
    located.destroy();
    job.destroy();
  }

  /** The buffers as they were with a snapshot of `n` tokens; after `settle`. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#buffersAt(qaqRange(this.#input.settings, n).to);
  }

  #buffersAt(tokens: number): StoredBuffer[] {
    const totals = this.#totals[tokens - 1] ?? NOTHING;
    return qaqBuffers(this.#input.settings, this.layout, tokens, totals);
  }

  /** The buffers themselves, as far as they are in use. */
  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    return await readUsed(this.#device, this.#buffersAt(this.#tokens), {
      codes: this.#streams.codes,
      scale_mean: this.#parameters,
      widths: this.#widths,
      outlier_values: this.#streams.values,
      outlier_positions: this.#streams.positions,
      exceptions: this.#streams.exceptions,
    });
  }

  /** Frees device memory. */
  free(): void {
    Readbacks.in(this.#input.shared).drop(this);
    this.#dropPending();
    for (
      const buffer of [
        this.#groupBits,
        this.#bounds,
        this.#centres,
        this.#parameters,
        this.#widths,
        this.#state,
        this.#tokenTotals,
        this.#failure,
        ...Object.values(this.#streams),
      ]
    ) buffer.destroy();
  }

  #measure(first: number, tokens: number, moment: number): void {
    const device = this.#device;
    const { settings, attention, tensors } = this.#input;
    const gathered = tensors.length > 1 ? this.#gather(first, tokens) : undefined;
    const records = this.#buffer("records", RECORD_WORDS * tokens * this.layout.groups);
    const maxima = attention === undefined
      ? undefined
      : attentionMaxima(device, attention, settings.lastNAttentions, moment, first, tokens);
    const pending = { first, tokens, records, gathered };
    const job = this.#sourceJob(pending, moment);
    const measure = this.#pipeline("measure", [
      pack,
      orderStatistic,
      common,
      sourceAccess,
      measureKernel,
    ]);
    const bound = bindNumbered(device, measure, {
      0: job,
      1: gathered ?? tensors[0]!.buffer,
      2: this.#groupBits,
      3: maxima ?? this.#bounds,
      4: records,
      5: this.#parameters,
      6: this.#widths,
      7: this.#failure,
    });
    dispatch(device, measure, bound, tokens * this.layout.groups * WORKGROUP_THREADS);
    const place = this.#pipeline("place", [common, placeKernel]);
    const placed = { 0: job, 1: records, 2: this.#state, 3: this.#tokenTotals };
    dispatch(device, place, bindNumbered(device, place, placed), WORKGROUP_THREADS);
    maxima?.destroy();
    job.destroy();
    this.#pending.push(pending);
  }

  /** Brings some tokens of all layers together: `[layers, heads, tokens, headDim]`. */
  #gather(first: number, tokens: number): GPUBuffer {
    const { heads, headDim, layers } = this.layout;
    const gathered = this.#buffer("gathered", layers * heads * tokens * headDim);
    const encoder = this.#device.createCommandEncoder();
    for (const [layer, { buffer, capacity }] of this.#input.tensors.entries()) {
      for (let head = 0; head < heads; head++) {
        encoder.copyBufferToBuffer(
          buffer,
          4 * (head * capacity + first) * headDim,
          gathered,
          4 * (layer * heads + head) * tokens * headDim,
          4 * tokens * headDim,
        );
      }
    }
    this.#device.queue.submit([encoder.finish()]);
    return gathered;
  }

  /** Before a restore that nobody settled: room for the worst case. */
  #writeUnsettled(): void {
    if (this.#pending.length === 0) return;
    const { settings } = this.#input;
    const known = this.#totals.at(-1) ?? NOTHING;
    const tokens = this.#tokens - this.#totals.length;
    const most = settings.useAttentions ? settings.bitRange[1] : Math.max(...settings.bits);
    const entries = tokens * this.layout.entries;
    this.#write({
      codes: known.codes + entries,
      codeBits: known.codeBits + entries * most,
      outliers: known.outliers + entries,
      exceptions: known.exceptions + tokens * this.layout.groups,
    }, 1);
  }

  /** Writes what is pending to streams that hold `totals`, with some room to grow. */
  #write({ codeBits, outliers, exceptions }: QaqTotals, room: number): void {
    const device = this.#device;
    const wide = this.#input.settings.paramDtype === "f32";
    const needed: Record<Stream, number> = {
      codes: Math.ceil(codeBits / 32),
      positions: Math.ceil(outliers * this.layout.positionBits / 32),
      values: Math.ceil(outliers / (wide ? 1 : 2)),
      exceptions: 2 * exceptions,
    };
    for (const stream of STREAMS) {
      const held = this.#streams[stream];
      if (4 * needed[stream] <= held.size) continue;
      const larger = this.#buffer(held.label, Math.ceil(room * needed[stream]));
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(held, 0, larger, 0, held.size);
      device.queue.submit([encoder.finish()]);
      held.destroy();
      this.#streams[stream] = larger;
    }
    const write = this.#pipeline("write_groups", [pack, common, sourceAccess, writeKernel]);
    for (const pending of this.#pending) {
      const job = this.#sourceJob(pending, 0);
      const bound = bindNumbered(device, write, {
        0: job,
        1: pending.gathered ?? this.#input.tensors[0]!.buffer,
        2: pending.records,
        3: this.#bounds,
        4: this.#streams.codes,
        5: this.#streams.positions,
        6: this.#streams.values,
        7: this.#streams.exceptions,
      });
      const threads = pending.tokens * this.layout.groups * WORKGROUP_THREADS;
      dispatch(device, write, bound, threads);
      job.destroy();
    }
    this.#dropPending();
  }

  #dropPending(): void {
    for (const { records, gathered } of this.#pending) {
      records.destroy();
      gathered?.destroy();
    }
    this.#pending = [];
  }

  #sourceJob({ first, tokens, gathered }: Pending, moment: number): GPUBuffer {
    const { heads, headDim } = this.layout;
    const { capacity } = this.#input.tensors[0]!;
    const stride = (gathered === undefined ? capacity : tokens) * headDim;
    return this.#job({
      base: gathered === undefined ? first * headDim : 0,
      headStride: stride,
      layerStride: heads * stride,
      first,
      tokens,
    }, moment);
  }

  #job(
    place: {
      readonly base: number;
      readonly headStride: number;
      readonly layerStride: number;
      readonly first: number;
      readonly tokens: number;
    },
    moment = 0,
  ): GPUBuffer {
    const { settings } = this.#input;
    const { heads, headDim, groups, groupSize, lowRank, highRank } = this.layout;
    const words = Uint32Array.of(
      heads,
      headDim,
      place.layerStride,
      place.headStride,
      place.base,
      place.first,
      place.tokens,
      groups,
      groupSize,
      Math.max(0, lowRank),
      highRank,
      this.layout.nominalOutliers,
      this.layout.positionBits,
      settings.bitRange[0],
      settings.bitRange[1],
      // The first token that is too recent to know its attention.
      Math.max(0, moment - settings.lastNAttentions + 1),
      0,
    );
    const error = moment === 0 ? 0 : largestError(settings, moment);
    new Float32Array(words.buffer)[16] = Math.min(error, 3e38);
    const job = this.#device.createBuffer({
      size: 80,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#device.queue.writeBuffer(job, 0, words);
    return job;
  }

  #pipeline(entryPoint: string, sources: readonly string[]): GPUComputePipeline {
    return computePipeline(this.#device, "qaq", entryPoint, sources, this.#constants);
  }

  #buffer(label: string, words: number): GPUBuffer {
    return this.#device.createBuffer({
      label,
      // Four words at least: no buffer is empty, and any vector fits.
      size: 4 * Math.max(4, words),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
  }

  #upload(data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer("tables", data.length);
    // Deno 2.9.6 aborts when it is asked to write nothing.
    if (data.length > 0) this.#device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }
}

const NOTHING: QaqTotals = { codes: 0, codeBits: 0, outliers: 0, exceptions: 0 };

/** Boundaries and centres of the normal codes of every width in use (qaq_write, qaq_restore). */
function normalTables(settings: QaqSettings): {
  bounds: Float32Array<ArrayBuffer>;
  centres: Float32Array<ArrayBuffer>;
} {
  const most = settings.method === "normal" ? Math.max(...settings.bits) : 0;
  const bounds: number[] = [];
  const centres: number[] = [];
  for (let bits = 1; bits <= most; bits++) {
    const codes = normalCodes(bits);
    bounds.push(...codes.bounds);
    centres.push(...codes.centres);
  }
  return { bounds: Float32Array.from(bounds), centres: Float32Array.from(centres) };
}
