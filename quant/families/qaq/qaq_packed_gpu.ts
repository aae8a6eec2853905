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
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import { DeviceStore } from "../../gpu/device_store.ts";
import { type Bindings, Kernels } from "../../gpu/kernels.ts";
import type { WordRegion } from "../../gpu/workbench.ts";
import { orderStatistics } from "../../numerics/order_statistics.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import common from "./qaq.wgsl" with { type: "text" };
import measureKernel from "./qaq_measure.wgsl" with { type: "text" };
import recordText from "./qaq_record.wgsl" with { type: "text" };
import { isRow, measureRows, rowGroups, writeRows } from "./qaq_rows.ts";
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
import { attentionInputs } from "./qaq_sharing.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Tokens that a workgroup places (`workgroup_threads`). */
const BLOCK = 64;

/** Groups that a workgroup locates, `groups_each` by each invocation. */
const LOCATED = 8 * BLOCK;

/** Buffers that grow as the totals become known. */
const STREAMS = ["codes", "outlier_positions", "outlier_values", "exceptions"] as const;

type Role =
  | typeof STREAMS[number]
  | "scale_mean"
  | "widths"
  | "group_bits"
  | "bounds"
  | "centres"
  | "state"
  | "totals";

/** Groups that are measured but not yet written. */
interface Pending {
  readonly first: number;
  readonly tokens: number;
  readonly records: GPUBuffer;
  /** Entries of the tokens where they had to be brought together; else the tensor is read. */
  readonly gathered: GPUBuffer | undefined;
}

/** See the module. */
export class QaqPackedGpu extends DeviceStore<Role> {
  readonly layout: QaqLayout;
  readonly #sources: readonly Source<GpuTensor>[];
  readonly #settings: QaqSettings;
  /** Queries and keys of each of the layers, when values are given widths by attention. */
  readonly #attention: readonly AttentionInputs[] | undefined;
  readonly #measureKernels: Kernels;
  readonly #placeKernels: Kernels;
  readonly #writeKernels: Kernels;
  readonly #restoreKernels: Kernels;
  /** Whether groups are short rows (qaq_rows.ts). */
  readonly #rows: boolean;
  #pending: Pending[] = [];
  /** Totals up to and including each token, as far as they have been read back. */
  readonly #totals: QaqTotals[] = [];
  /** Tokens that are quantized, and those of them that are measured. */
  #to = 0;
  #tokens = 0;

  /**
   * @param sources the layers that are packed together, one or all
   * @param tokens length of the longest snapshot
   */
  constructor(
    device: GPUDevice,
    sources: readonly Source<GpuTensor>[],
    settings: QaqSettings,
    tokens: number,
  ) {
    const [source] = sources as readonly [Source<GpuTensor>];
    const attention = settings.useAttentions && settings.kind === "value"
      ? sources.map(attentionInputs)
      : undefined;
    const layout = qaqLayout(settings, source.tensor, sources.length);
    const { from, to } = qaqRange(settings, tokens);
    const groups = (to - from) * layout.groups;
    const parameters = groups * (settings.symmetric ? 1 : 2);
    const wide = settings.paramDtype === "f32";
    const headsPerGroup = layout.groupSize / layout.headDim;
    super(device, source, {
      codes: 0,
      outlier_positions: 0,
      outlier_values: 0,
      exceptions: 0,
      scale_mean: Math.ceil(wide ? parameters : parameters / 2),
      widths: settings.useAttentions ? Math.ceil(groups * WIDTH_BITS / 32) : 0,
      group_bits: Uint32Array.from(
        { length: layout.groups },
        (_, group) => settings.bits[group * headsPerGroup % layout.heads]!,
      ),
      ...normalTables(settings),
      state: 4,
      totals: 4 * (to - from),
    });
    this.layout = layout;
    this.#sources = sources;
    this.#settings = settings;
    this.#attention = attention;
    const fixed = fixedSizes(layout);
    const kernels = (...texts: string[]) =>
      Kernels.of(device, "qaq", [fixed, ...texts], {
        sparse: settings.outliersRatio > 0,
        symmetric: settings.symmetric,
        normal: settings.method === "normal",
        adaptive: settings.useAttentions,
        attentive: attention !== undefined,
        wide,
      });
    const { groupSize, headDim, lowRank, highRank } = layout;
    const orderStatistic = orderStatistics(groupSize);
    const [lows, highs] = settings.outliersRatio > 0 ? [lowRank + 1, groupSize - highRank] : [0, 0];
    this.#rows = headDim % 4 === 0 && settings.method !== "normal" &&
      isRow(groupSize, Math.max(lows, highs));
    const shared = [pack, orderStatistic, common, sourceAccess];
    const measure = this.#rows ? measureRows(groupSize, lows, highs) : measureKernel;
    this.#measureKernels = kernels(...shared, recordText, measure);
    this.#placeKernels = kernels(common, placeKernel);
    this.#writeKernels = kernels(...shared, writeKernel, this.#rows ? writeRows(groupSize) : "");
    this.#restoreKernels = kernels(pack, common, restoreKernels);
  }

  /** Notes what a snapshot of `n` tokens quantizes: it is measured when something asks for it. */
  grow(n: number): void {
    this.#to = qaqRange(this.#settings, n).to;
  }

  /** Measures what is not yet packed. */
  protected override catchUp(): void {
    const settings = this.#settings;
    const { promptTokens } = this.#sources[0]!;
    const to = this.#to;
    while (this.#tokens < to) {
      const moment = momentOf(settings, this.#tokens, promptTokens);
      let end = to;
      // Tokens of one moment are measured together: the prompt's, then each on its own.
      if (settings.useAttentions) {
        end = this.#tokens + 1;
        while (end < to && momentOf(settings, end, promptTokens) === moment) end++;
      }
      this.bench.batch(() => this.#measure(this.#tokens, end - this.#tokens, moment));
      this.#tokens = end;
    }
  }

  /** Writes the restored tokens of one of the layers to their positions in `target`. */
  restore(layer: number, target: GpuTensor): void {
    if (this.#to === 0) return;
    this.bench.batch(() => {
      this.catchUp();
      this.#writeUnsettled();
      const { heads, headDim, groups } = this.layout;
      const count = this.#tokens * groups;
      const blocks = Math.ceil(count / LOCATED);
      const located = this.bench.buffer("located", 4 * count);
      const bindings = {
        job: this.#job({
          base: layer * heads * headDim,
          head_stride: target.capacity * headDim,
          layer_stride: 0,
          first: 0,
          tokens: this.#tokens,
        }),
        located,
        blocks: this.bench.buffer("blocks", 2 * blocks),
        restored: target.buffer,
        restored_quads: target.buffer,
      };
      const kernels = this.#restoreKernels;
      if (blocks > 1) this.run(kernels, "count_groups", { workgroups: blocks }, bindings);
      this.run(kernels, "locate", { workgroups: blocks }, bindings);
      const entries = heads * this.#tokens * headDim;
      if (headDim % 4 === 0) {
        const threads = entries / (4 * restoredRun(headDim));
        this.run(kernels, "restore_quads", { threads }, bindings);
      } else {
        this.run(kernels, "restore", { threads: entries }, bindings);
      }
      this.bench.free(located, bindings.blocks);
    });
  }

  /** The buffers as they were with a snapshot of `n` tokens; after `settle`. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#buffersAt(qaqRange(this.#settings, n).to);
  }

  #buffersAt(tokens: number): StoredBuffer[] {
    const totals = this.#totals[tokens - 1] ?? NOTHING;
    return qaqBuffers(this.#settings, this.layout, tokens, totals);
  }

  /** The buffers themselves, as far as they are in use. */
  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    return await this.used(this.#buffersAt(this.#tokens));
  }

  override free(): void {
    super.free();
    this.#dropPending();
  }

  protected override awaited(): readonly WordRegion[] {
    const known = this.#totals.length;
    return [{ buffer: this.memory.totals, at: 4 * known, words: 4 * (this.#tokens - known) }];
  }

  protected override learn(words: Uint32Array<ArrayBuffer>): void {
    for (let i = 0; i < words.length; i += 4) {
      const [codes, codeBits, outliers, exceptions] = words.subarray(i, i + 4);
      this.#totals.push({
        codes: codes!,
        codeBits: codeBits!,
        outliers: outliers!,
        exceptions: exceptions!,
      });
    }
    this.#write(this.#totals.at(-1) ?? NOTHING);
  }

  protected override notFinite(place: number): Error {
    const { heads, layers } = this.layout;
    const head = place % (heads * layers);
    const source = this.#sources[Math.floor(head / heads)]!;
    return notFiniteError(source, head % heads, Math.floor(place / (heads * layers)));
  }

  #measure(first: number, tokens: number, moment: number): void {
    const gathered = this.#sources.length > 1 ? this.#gather(first, tokens) : undefined;
    const groups = tokens * this.layout.groups;
    const recordWords = this.#measureKernels.elementWords("records");
    const records = this.bench.buffer("records", recordWords * groups);
    const attention = this.#attention && attentionMaxima(
      this.bench.device,
      this.#attention,
      this.#settings.lastNAttentions,
      moment,
      first,
      tokens,
    );
    const pending = { first, tokens, records, gathered };
    const bindings = this.#sourceBindings(pending, moment);
    this.#runGroups(this.#measureKernels, "measure", groups, { ...bindings, attention });
    const { job } = bindings;
    const blocks = Math.ceil(tokens / BLOCK);
    const placed = { job, records, blocks: this.bench.buffer("blocks", 4 * (blocks + 1)) };
    if (blocks > 1) this.run(this.#placeKernels, "count_tokens", { workgroups: blocks }, placed);
    this.run(this.#placeKernels, "place", { workgroups: blocks }, placed);
    this.bench.free(placed.blocks);
    if (attention !== undefined) this.bench.free(attention);
    this.#pending.push(pending);
  }

  /** Brings some tokens of all layers together: `[layers, heads, tokens, headDim]`. */
  #gather(first: number, tokens: number): GPUBuffer {
    const { heads, headDim, layers } = this.layout;
    const words = tokens * headDim;
    const gathered = this.bench.buffer("gathered", layers * heads * words);
    for (const [layer, { tensor: { buffer, capacity } }] of this.#sources.entries()) {
      for (let head = 0; head < heads; head++) {
        const from = (head * capacity + first) * headDim;
        this.bench.copy(buffer, from, gathered, (layer * heads + head) * words, words);
      }
    }
    return gathered;
  }

  /** Before a restore that nobody settled: room for the worst case. */
  #writeUnsettled(): void {
    if (this.#pending.length === 0) return;
    const settings = this.#settings;
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
  #write({ codeBits, outliers, exceptions }: QaqTotals, room?: number): void {
    const wide = this.#settings.paramDtype === "f32";
    const needed: Record<typeof STREAMS[number], number> = {
      codes: Math.ceil(codeBits / 32),
      outlier_positions: Math.ceil(outliers * this.layout.positionBits / 32),
      outlier_values: Math.ceil(outliers / (wide ? 1 : 2)),
      exceptions: 2 * exceptions,
    };
    this.bench.batch(() => {
      for (const stream of STREAMS) {
        const held = this.memory[stream];
        this.memory[stream] = this.bench.grown(held, held.size / 4, needed[stream], room);
      }
      for (const pending of this.#pending) {
        const groups = pending.tokens * this.layout.groups;
        this.#runGroups(this.#writeKernels, "write", groups, this.#sourceBindings(pending, 0));
      }
      this.#dropPending();
    });
  }

  #runGroups(kernels: Kernels, name: string, groups: number, bindings: Bindings): void {
    const [entryPoint, workgroups] = this.#rows
      ? [`${name}_rows`, Math.ceil(groups / rowGroups(this.layout.groupSize))]
      : [`${name}_groups`, groups];
    this.run(kernels, entryPoint, { workgroups }, bindings);
  }

  #dropPending(): void {
    for (const { records, gathered } of this.#pending) {
      this.bench.free(records);
      if (gathered !== undefined) this.bench.free(gathered);
    }
    this.#pending = [];
  }

  /** What a kernel needs to read the entries of pending tokens. */
  #sourceBindings({ first, tokens, records, gathered }: Pending, moment: number) {
    const { heads, headDim } = this.layout;
    const { buffer, capacity } = this.#sources[0]!.tensor;
    const stride = (gathered === undefined ? capacity : tokens) * headDim;
    return {
      job: this.#job({
        base: gathered === undefined ? first * headDim : 0,
        head_stride: stride,
        layer_stride: heads * stride,
        first,
        tokens,
      }, moment),
      source: gathered ?? buffer,
      ...(this.#rows ? { source_quads: gathered ?? buffer } : {}),
      records,
    };
  }

  #job(
    place: Readonly<
      Record<"base" | "head_stride" | "layer_stride" | "first" | "tokens", number>
    >,
    moment = 0,
  ) {
    const settings = this.#settings;
    const { lowRank, highRank } = this.layout;
    return {
      ...place,
      low_rank: Math.max(0, lowRank),
      high_rank: highRank,
      nominal: this.layout.nominalOutliers,
      position_bits: this.layout.positionBits,
      least_bits: settings.bitRange[0],
      most_bits: settings.bitRange[1],
      // The first token that is too recent to know its attention.
      recent: Math.max(0, moment - settings.lastNAttentions + 1),
      error: moment === 0 ? 0 : Math.min(largestError(settings, moment), 3e38),
    };
  }
}

/** Fours of entries that an invocation restores, so that it looks for outliers before them once. */
function restoredRun(headDim: number): number {
  return headDim % 8 === 0 ? 2 : 1;
}

/** Sizes as constants, by which the kernels divide. */
function fixedSizes({ heads, headDim, groups, groupSize }: QaqLayout): string {
  const run = restoredRun(headDim);
  const sizes = { heads, head_dim: headDim, groups, group_size: groupSize, run };
  return Object.entries(sizes).map(([name, size]) => `const fixed_${name} = ${size}u;`).join("\n");
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
