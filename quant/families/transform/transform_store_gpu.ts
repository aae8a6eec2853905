/**
 * The packed cache of `transform` in GPU buffers, laid out as on the CPU.
 *
 * How long a stream becomes is known only on the device. Every launch therefore puts its streams into
 * a buffer with room for the worst case; `settle` learns where they end, and moves them to the end of
 * the store's own buffer. Until then `restore` reads both.
 *
 * @module
 */
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import type { WgslValues } from "../../gpu/wgsl_layout.ts";
import { SettledStream, type StreamPart } from "../../gpu/settled_stream.ts";
import { type WordRegion, Workbench } from "../../gpu/workbench.ts";
import { wordsPerRow } from "../../packing/bit_packing.ts";
import { FREQUENCY_BITS } from "../../packing/entropy_coder.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import type { GpuTensor } from "../../tensor.ts";
import { DEAD_ZONE } from "./component_codes.ts";
import axesAccess from "./transform_axes.wgsl" with { type: "text" };
import unpackKernel from "./transform_unpack.wgsl" with { type: "text" };
import componentKernels from "./transform_components.wgsl" with { type: "text" };
import readKernel from "./transform_read.wgsl" with { type: "text" };
import streamAccess from "./transform_streams.wgsl" with { type: "text" };
import writeKernels from "./transform_write.wgsl" with { type: "text" };
import common from "./transform.wgsl" with { type: "text" };
import {
  bandsOf,
  GROUP_TOKENS,
  groupBits,
  LEVEL_FACTORS,
  PLANNED_LEVEL,
  streamWords,
  transformBuffers,
  type TransformLayout,
  transformLayout,
  transformRange,
  worstStreamWords,
} from "./transform_layout.ts";
import { axisBits, SERIES_TERMS, unpackAxis } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Groups of one launch at most: one invocation goes through the levels of all of them. */
const MOST_GROUPS = 4096;

/** Invocations of a workgroup that WebGPU promises. */
const MOST_THREADS = 256;

/** Tokens that a workgroup turns (`tile_tokens`); groups are whole tiles. */
const TILE_TOKENS = 8;

/** Most words of anything that one launch makes for itself: what WebGPU promises to bind. */
const MOST_WORDS = 1 << 25;

/** Streams that a workgroup reads (`reading_streams`). */
const READING_STREAMS = 4;

/** Words that are kept of each part of a stream between measuring and writing it. */
const PART_WORDS = 2;

/** In the place of an entry of an alphabet: behind every slot. */
const NEVER_REACHED = 0xffffffff;

/** Model constants; every example's store shares them. */
interface Model {
  readonly layout: TransformLayout;
  /** Of every channel its mean, and above it its scale, both bfloat16. */
  readonly channels: Uint32Array<ArrayBuffer>;
  /** What makes the length of every stored axis 1. */
  readonly lengths: Float32Array<ArrayBuffer>;
  /** Of every stored axis its bits of an entry, above them its block and the word it begins with. */
  readonly axes: Uint32Array<ArrayBuffer>;
}

const prepared = new WeakMap<TransformSettings, Model>();

function modelOf(settings: TransformSettings): Model {
  let ready = prepared.get(settings);
  if (ready === undefined) prepared.set(settings, ready = prepare(settings));
  return ready;
}

function prepare(settings: TransformSettings): Model {
  const layout = transformLayout(settings);
  const { mean, scales, matrix, blocks } = layout;
  const codes = new Int32Array(blocks[0]!.channels);
  const lengths = new Float32Array(layout.stored);
  const axes = new Uint32Array(layout.stored);
  for (const [b, { first, firstWord, components, channels }] of blocks.entries()) {
    let word = firstWord;
    for (let k = 0; k < components; k++) {
      const bits = axisBits(k, channels);
      lengths[first + k] = unpackAxis(matrix, word, channels, bits, codes);
      axes[first + k] = word << 12 | b << 4 | bits;
      word += wordsPerRow(channels, bits);
    }
  }
  return {
    layout,
    channels: Uint32Array.from(mean, (m, c) => m | scales[scales.length === 1 ? 0 : c]! << 16),
    lengths,
    axes,
  };
}

/** The constants on a device. */
function deviceTables(device: GPUDevice, settings: TransformSettings) {
  const { layout, channels, lengths, axes } = modelOf(settings);
  const { alphabets, matrix, steps, tables } = layout;
  const bench = Workbench.of(device);
  const shared = bench.shared(alphabets, () => {
    const { symbols, frequencies, ends, levels, costs } = alphabets;
    const entries = new Uint32Array(4 * frequencies.length);
    const values = new Float32Array(entries.buffer);
    for (const [i, frequency] of frequencies.entries()) {
      // How many bits leave a state before the symbol comes in at most; that does not occur without any.
      const most = Math.clz32(frequency) - (31 - FREQUENCY_BITS);
      entries[4 * i] = frequency | most << 13 | (ends[i]! - frequency) << 17;
      values[4 * i + 1] = levels[i]!;
      entries[4 * i + 2] = costs[i]!;
    }
    // Rows as `transform_read.wgsl` has them.
    const width = Math.min(16, Math.max(4, symbols));
    const rows = new Uint32Array(frequencies.length / symbols * width).fill(NEVER_REACHED);
    const step = Math.max(1, symbols / width);
    for (let i = 0; i < frequencies.length / step; i++) {
      const [table, place] = [Math.floor(i * step / symbols), i % Math.min(width, symbols)];
      rows[table * width + place] = entries[4 * i * step]!;
    }
    return { alphabets: bench.buffer("alphabets", entries), rows: bench.buffer("rows", rows) };
  });
  const own = bench.shared(settings, () => ({
    axes: bench.buffer("axes", axes),
    channels: bench.buffer("channels", channels),
    matrix: bench.buffer("matrix", matrix),
    lengths: bench.buffer("lengths of axes", lengths),
    planned: bench.buffer("planned", Uint32Array.from(tables, (t, k) => t | steps[k]! << 16)),
  }));
  return { ...shared, ...own };
}

/** Groups of one launch, of so many words each. */
function groupsOf(words: number): number {
  return Math.max(1, Math.min(MOST_GROUPS, Math.floor(MOST_WORDS / words)));
}

/** Levels that every stream is measured at. */
function levelsOf(settings: TransformSettings): number {
  return Number.isFinite(groupBits(settings)) ? LEVEL_FACTORS.length : 1;
}

/** Store of `transform` over GPU tensors; `settle` throws on non-finite input. */
export class TransformStoreGpu extends GrowingStore<TransformSettings, "stream_ends"> {
  readonly sizesNeedSettle = true;
  readonly #model: Model;
  readonly #unpacking: Kernels;
  readonly #components: Kernels;
  readonly #writer: Kernels;
  readonly #reader: Kernels;
  readonly #streams: SettledStream;
  /** Level of the last group; what is stored does not need it. */
  readonly #lastLevel: GPUBuffer;
  /** Words of a stream at most. */
  readonly #room: number;
  /** Groups that one launch reads, and writes. */
  readonly #mostRead: number;
  readonly #mostWritten: number;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: TransformSettings,
    tokens: number,
  ) {
    const model = modelOf(settings);
    const { from, to } = transformRange(settings, tokens);
    super(device, source, settings, transformRange, { stream_ends: (to - from) / GROUP_TOKENS });
    this.#model = model;
    this.tables = deviceTables(device, settings);
    const { channels } = model.layout.blocks[0]!;
    const threads = Math.min(MOST_THREADS, 32 * Math.ceil(channels / 32));
    const sizes = Object.entries({
      block_channels: channels,
      block_threads: threads,
      each: Math.ceil(channels / threads),
      series_terms: SERIES_TERMS,
    }).map(([name, value]) => `const ${name} = ${value}u;`).join("\n");
    const kernels = (text: string) =>
      Kernels.of(device, "transform", [pack, common, sizes, axesAccess, text]);
    this.#unpacking = kernels(unpackKernel);
    this.#components = kernels(componentKernels);
    const { stored, alphabets } = model.layout;
    const coder = (text: string, constants = {}) => {
      const symbols = `const symbols = ${alphabets.symbols}u;`;
      const texts = [pack, common, symbols, streamAccess, text];
      return Kernels.of(device, "transform", texts, constants);
    };
    this.#writer = coder(writeKernels, { rounding: 0.5 - DEAD_ZONE });
    this.#reader = coder(readKernel);
    this.#streams = new SettledStream(this.bench, "streams", streamWords);
    this.#lastLevel = this.bench.buffer("last level", 1);
    this.#room = worstStreamWords(stored);
    const symbols = Math.max(1, GROUP_TOKENS * stored);
    this.#mostRead = groupsOf(symbols);
    this.#mostWritten = groupsOf(Math.max(this.#room, symbols * levelsOf(settings)));
  }

  restore(target: GpuTensor): void {
    this.catchUp();
    for (const part of this.#streams.parts) {
      for (let done = 0; done < part.items; done += this.#mostRead) {
        this.#restorePart(target, part, done, Math.min(this.#mostRead, part.items - done));
      }
    }
  }

  buffers(n: number): readonly StoredBuffer[] {
    const ends = this.#streams.ends.slice(0, this.tokensAt(n) / GROUP_TOKENS);
    const { heads, headDim } = this.settings;
    return transformBuffers(heads * headDim, ends);
  }

  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    return await this.used(this.buffers(this.length), { streams: this.#streams.words });
  }

  override free(): void {
    super.free();
    this.#streams.free();
    this.bench.free(this.#lastLevel);
  }

  protected override awaited(): readonly WordRegion[] {
    return [this.#streams.awaited(this.memory.stream_ends)];
  }

  protected override learn(ends: Uint32Array<ArrayBuffer>): void {
    this.#streams.settle(ends);
  }

  protected quantize(first: number, tokens: number): void {
    const end = (first + tokens) / GROUP_TOKENS;
    for (let group = first / GROUP_TOKENS; group < end; group += this.#mostWritten) {
      this.#quantizeGroups(group, Math.min(this.#mostWritten, end - group));
    }
  }

  #quantizeGroups(first: number, groups: number): void {
    const { bench } = this;
    const { stored } = this.#model.layout;
    const { preRope, tensor } = this.source;
    const input = this.settings.kind === "key" ? preRope! : tensor;
    const tokens = groups * GROUP_TOKENS;
    const words = bench.buffer("waiting streams", groups * this.#room);
    bench.batch(() => {
      const job = this.#job(input, first, groups, first);
      const measured = groups * job.levels;
      const [values, stream_lengths, parts, entries, chosen, shifts] = [
        bench.buffer("values", tokens * stored),
        bench.buffer("stream lengths", measured),
        bench.buffer(
          "parts",
          measured * PART_WORDS * this.#writer.workgroupThreads("write_streams"),
        ),
        bench.buffer("entries", measured * GROUP_TOKENS * stored),
        bench.buffer("chosen", groups),
        bench.buffer("shifts", measured * bandsOf(stored)),
      ];
      const axes = this.#unpackAxes(job);
      const vectors = { job, values, tensor: input.buffer, ...axes };
      this.run(this.#components, "transform", { workgroups: this.#tiles(tokens) }, vectors);
      const streams = {
        job,
        values,
        stream_lengths,
        parts,
        entries,
        chosen,
        shifts,
        last_level: this.#lastLevel,
        streams: words,
      };
      const fits = measured * bandsOf(stored);
      this.run(this.#writer, "fit_bands", { threads: fits }, streams);
      const symbols = measured * GROUP_TOKENS * stored;
      this.run(this.#writer, "find_entries", { threads: symbols }, streams);
      this.run(this.#writer, "measure_streams", { workgroups: measured }, streams);
      this.run(this.#writer, "choose_levels", { workgroups: 1 }, streams);
      this.run(this.#writer, "write_streams", { workgroups: groups }, streams);
      bench.free(values, stream_lengths, parts, entries, chosen, shifts, ...Object.values(axes));
    });
    this.#streams.add({ first, items: groups, words });
  }

  /** Restores some groups of a part, `done` of which come before them. */
  #restorePart(target: GpuTensor, part: StreamPart, done: number, groups: number): void {
    const tokens = groups * GROUP_TOKENS;
    const rope = this.settings.kind === "key" ? this.source.rope : undefined;
    this.bench.batch(() => {
      const values = this.bench.buffer("values", tokens * this.#model.layout.stored);
      const job = this.#job(target, part.first + done, groups, part.first);
      const streams = { job, values, streams: part.words };
      const axes = this.#unpackAxes(job);
      const workgroups = Math.ceil(groups / READING_STREAMS);
      this.run(this.#reader, "read_streams", { workgroups }, streams);
      this.run(this.#components, "rebuild", { workgroups: this.#tiles(tokens) }, {
        job,
        values,
        ...axes,
        tensor: target.buffer,
        cosine: rope?.cos.buffer,
        sine: rope?.sin.buffer,
      });
      this.bench.free(values, ...Object.values(axes));
    });
  }

  /** The axes as floats, for one launch: what is kept of them are the packed rows. */
  #unpackAxes(job: WgslValues) {
    const { stored, blocks } = this.#model.layout;
    const words = stored * blocks[0]!.channels;
    const axes = {
      by_axis: this.bench.buffer("axes", words),
      by_channel: this.bench.buffer("axes by channel", words),
    };
    this.run(this.#unpacking, "unpack_axes", { workgroups: stored }, { job, ...axes });
    return axes;
  }

  /** Tiles of so many tokens, each of one block. */
  #tiles(tokens: number): number {
    return tokens / TILE_TOKENS * this.#model.layout.blocks.length;
  }

  #job(tensor: GpuTensor, firstGroup: number, groups: number, firstBound: number) {
    const { blocks, stored } = this.#model.layout;
    const most = groupBits(this.settings);
    const bounded = Number.isFinite(most);
    return {
      heads: tensor.heads,
      head_dim: tensor.headDim,
      capacity: tensor.capacity,
      first: this.quantized.from + firstGroup * GROUP_TOKENS,
      tokens: groups * GROUP_TOKENS,
      first_group: firstGroup,
      block_heads: blocks[0]!.heads,
      stored,
      rotate: this.settings.kind === "key",
      first_bound: firstBound,
      levels: levelsOf(this.settings),
      first_level: bounded ? 0 : PLANNED_LEVEL,
      bounded,
      group_bits: bounded ? most : 0,
    };
  }
}
