/**
 * The packed layers of `kvtc` beside GPU tensors. The device makes the rows of new tokens; DEFLATE runs
 * on the host, so `settle` reads them back into the stream. What is restored is inflated on the host
 * and sent to the device as rows; rows that nobody has read back yet are restored from where they are.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, StoredBuffer } from "../../family.ts";
import { notFiniteError } from "../../finite_input.ts";
import { DeviceStore } from "../../gpu/device_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import type { WordRegion } from "../../gpu/workbench.ts";
import { DeflatedRows } from "../../packing/deflated_rows.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import type { LayerPack } from "../../stores/coupled/layer_pack.ts";
import { beforeRope } from "../../stores/rope/rope_restore.ts";
import type { GpuTensor } from "../../tensor.ts";
import { blockBytes } from "./component_blocks.ts";
import tokenVector from "../../stores/rope/token_vector.wgsl" with { type: "text" };
import text from "./kvtc.wgsl" with { type: "text" };
import {
  kvtcBuffers,
  kvtcConstants,
  kvtcContents,
  type KvtcLayout,
  kvtcLayout,
} from "./kvtc_layout.ts";
import { kvtcRange, type KvtcSettings } from "./kvtc_settings.ts";

/** Rows of some tokens on the device. */
interface DeviceRows {
  readonly token: number;
  readonly tokens: number;
  readonly rows: GPUBuffer;
}

/** See the module. `settle` throws on non-finite input. */
export class KvtcPackGpu extends DeviceStore<never> implements LayerPack<GpuTensor> {
  readonly #sources: readonly Source<GpuTensor>[];
  readonly #settings: KvtcSettings;
  readonly #layout: KvtcLayout;
  readonly #kernels: Kernels;
  readonly #rows: DeflatedRows;
  readonly #rowWords: number;
  /** Rows that are not read back, and those of them that are on their way. */
  #waiting: DeviceRows[] = [];
  #coming: readonly DeviceRows[] = [];
  /** Tokens of the stream, and their components once a layer has asked for them. */
  #settled = 0;
  #components: GPUBuffer | undefined;
  /** Where the quantized tokens end, and where those of them that are encoded do. */
  #to = 0;
  #encoded = 0;

  /** @param sources of the layers that are coded together */
  constructor(
    device: GPUDevice,
    sources: readonly Source<GpuTensor>[],
    settings: KvtcSettings,
  ) {
    super(device, sources[0]!, {});
    const layout = kvtcLayout(settings, sources.length);
    this.#sources = sources;
    this.#settings = settings;
    this.#layout = layout;
    this.#rows = new DeflatedRows(layout.rowBytes);
    this.#rowWords = Math.ceil(layout.rowBytes / 4);
    this.#kernels = Kernels.of(device, "kvtc", [pack, tokenVector, text], {
      most_channels: settings.heads * settings.headDim,
    });
    this.tables = this.bench.shared(settings, () => this.#constants());
  }

  /** Notes what a snapshot of `n` tokens quantizes: it is encoded when something asks for it. */
  grow(n: number): void {
    this.#to = kvtcRange(this.#settings, n).to;
  }

  /** Encodes what is not yet encoded. */
  protected override catchUp(): void {
    const to = this.#to;
    const token = Math.max(this.#settings.sinkTokens, this.#encoded);
    if (to <= token) return;
    this.#encoded = to;
    this.bench.batch(() => {
      const tokens = to - token;
      const rows = this.bench.buffer("rows", tokens * this.#rowWords);
      const components = this.bench.buffer("components", tokens * this.#layout.stored);
      for (const [layer, source] of this.#sources.entries()) {
        const { tensor: input } = beforeRope(source);
        this.run(this.#kernels, "project", { workgroups: tokens }, {
          job: this.#job(input, layer, token, tokens),
          tensor: input.buffer,
          components,
        });
      }
      this.run(this.#kernels, "encode", { threads: tokens }, {
        job: this.#job(this.#sources[0]!.tensor, 0, token, tokens),
        components,
        rows,
      });
      this.bench.free(components);
      this.#waiting.push({ token, tokens, rows });
    });
  }

  restore(layer: number, target: GpuTensor): void {
    this.bench.batch(() => {
      this.catchUp();
      if (this.#settled > 0) {
        const token = this.#settings.sinkTokens;
        this.#rebuild(layer, target, token, this.#settled, this.#settledComponents());
      }
      for (const { token, tokens, rows } of this.#waiting) {
        const components = this.#decoded(token, tokens, rows);
        this.#rebuild(layer, target, token, tokens, components);
        this.bench.free(components);
      }
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = kvtcRange(this.#settings, n);
    return kvtcBuffers(this.#layout, this.#rows, to - from);
  }

  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    return kvtcContents(this.#rows);
  }

  override constants(): readonly ConstantBuffer[] {
    return kvtcConstants(this.#settings);
  }

  override free(): void {
    super.free();
    this.#forgetComponents();
    this.bench.free(...this.#waiting.map(({ rows }) => rows));
    this.#waiting = [];
  }

  protected override awaited(): readonly WordRegion[] {
    this.#coming = [...this.#waiting];
    return this.#coming.map(({ tokens, rows }) => ({
      buffer: rows,
      at: 0,
      words: tokens * this.#rowWords,
    }));
  }

  protected override learn(words: Uint32Array<ArrayBuffer>): void {
    const { rowBytes } = this.#layout;
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const rows = new Uint8Array(words.length / Math.max(1, this.#rowWords) * rowBytes);
    for (let at = 0, row = 0; at < rows.length; at += rowBytes, row += 4 * this.#rowWords) {
      rows.set(bytes.subarray(row, row + rowBytes), at);
    }
    this.#rows.add(rows);
    this.#forgetComponents();
    for (const { tokens, rows } of this.#coming) {
      this.#settled += tokens;
      this.bench.free(rows);
    }
    this.#waiting = this.#waiting.filter((part) => !this.#coming.includes(part));
    this.#coming = [];
  }

  protected override notFinite(place: number): Error {
    const { heads } = this.#settings;
    const { layers } = this.#layout;
    const row = Math.floor(place / heads);
    return notFiniteError(this.#sources[row % layers]!, place % heads, Math.floor(row / layers));
  }

  /** The constants on the device. */
  #constants() {
    const { blocks, mean, axes } = this.#layout;
    let [first, byte] = [0, 0];
    const table = blocks.flatMap((block) => {
      const row = [first, block.size, block.bits, byte];
      first += block.size;
      byte += blockBytes(block);
      return row;
    });
    const halves = new Uint16Array(axes.length + axes.length % 2);
    halves.set(new Uint16Array(axes.buffer, axes.byteOffset, axes.length));
    return {
      blocks: this.bench.buffer("blocks", Uint32Array.from(table)),
      mean: this.bench.buffer("mean", mean),
      axes: this.bench.buffer("axes", new Uint32Array(halves.buffer)),
    };
  }

  /** Rows that begin with a word each. */
  #inWords(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
    const { rowBytes } = this.#layout;
    const words = new Uint32Array(this.#settled * this.#rowWords);
    const padded = new Uint8Array(words.buffer);
    for (let row = 0; row < this.#settled; row++) {
      padded.set(
        bytes.subarray(row * rowBytes, (row + 1) * rowBytes),
        row * 4 * this.#rowWords,
      );
    }
    return words;
  }

  /** Components of all tokens of the stream, decoded for the first layer that asks. */
  #settledComponents(): GPUBuffer {
    if (this.#components === undefined) {
      const rows = this.bench.buffer("rows", this.#inWords(this.#rows.all()));
      const { sinkTokens } = this.#settings;
      this.#components = this.#decoded(sinkTokens, this.#settled, rows);
      this.bench.free(rows);
    }
    return this.#components;
  }

  #forgetComponents(): void {
    if (this.#components !== undefined) this.bench.free(this.#components);
    this.#components = undefined;
  }

  #decoded(token: number, tokens: number, rows: GPUBuffer): GPUBuffer {
    const components = this.bench.buffer("components", tokens * this.#layout.stored);
    const job = this.#job(this.#sources[0]!.tensor, 0, token, tokens);
    this.run(this.#kernels, "decode", { threads: tokens }, { job, components, rows });
    return components;
  }

  #rebuild(
    layer: number,
    target: GpuTensor,
    token: number,
    tokens: number,
    components: GPUBuffer,
  ): void {
    const { rope } = beforeRope(this.#sources[layer]!);
    this.run(this.#kernels, "rebuild", { workgroups: tokens }, {
      job: this.#job(target, layer, token, tokens),
      tensor: target.buffer,
      components,
      cosine: rope?.cos.buffer,
      sine: rope?.sin.buffer,
    });
  }

  #job(tensor: GpuTensor, layer: number, first: number, tokens: number) {
    const { blocks, layers, stored } = this.#layout;
    const { heads, headDim, kind } = this.#settings;
    return {
      heads,
      head_dim: headDim,
      capacity: tensor.capacity,
      first,
      tokens,
      layer,
      layers,
      stored,
      block_count: blocks.length,
      row_words: this.#rowWords,
      rotate: kind === "key",
    };
  }
}
