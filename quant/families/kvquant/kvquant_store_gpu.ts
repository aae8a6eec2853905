/**
 * The packed cache of `kvquant` in GPU buffers, laid out as on the CPU.
 *
 * How many outliers a token has is known only on the device. Every launch therefore writes its
 * outliers to a buffer with room for the worst case; `settle` learns the counts, and moves them to
 * the end of the store's own buffer. Until then `restore` reads both.
 *
 * @module
 */
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import { SettledStream } from "../../gpu/settled_stream.ts";
import type { WordRegion } from "../../gpu/workbench.ts";
import common from "./kvquant.wgsl" with { type: "text" };
import outlierKernels from "./kvquant_outliers.wgsl" with { type: "text" };
import overlayKernel from "./kvquant_overlay.wgsl" with { type: "text" };
import quantizeKernel from "./kvquant_quantize.wgsl" with { type: "text" };
import record from "./kvquant_record.wgsl" with { type: "text" };
import restoreKernel from "./kvquant_restore.wgsl" with { type: "text" };
import sourceAccess from "./kvquant_source.wgsl" with { type: "text" };
import { kvquantBuffers, outlierWords } from "./kvquant_buffers.ts";
import { bookOf, channelRule, channelTable } from "./kvquant_rule.ts";
import {
  kvquantRange,
  type KvquantSettings,
  type TokenRows,
  tokenRows,
} from "./kvquant_settings.ts";
import { isShortToken, quantizeTokens, SOURCE, SOURCE_QUADS } from "./kvquant_tokens.ts";
import { CodeFinder } from "../../numerics/codebook.ts";
import { orderStatistics } from "../../numerics/order_statistics.ts";
import pack from "../../packing/pack.wgsl" with { type: "text" };
import { parameterWords } from "../../packing/parameters.ts";
import { quantileRank } from "../../numerics/quantile_ends.ts";
import { preRopeOf, rotateOnGpu } from "../../stores/rope/rope_restore.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Invocations that share the outliers of a token (`overlay_lanes`). */
const OVERLAY_LANES = 8;

/** Tokens whose outliers are counted together (`workgroup_threads`). */
const BLOCK = 64;

/** Most words that the outliers of one launch may take. */
const MOST_WAITING_WORDS = 1 << 23;

/** The farthest value that quantiles need, counted from its end of all `entries`. */
function farthestRank({ outliersRatio, axis }: KvquantSettings, entries: number): number {
  if (outliersRatio === 0 || axis === "channel") return 0;
  const [low, high] = [outliersRatio / 2, 1 - outliersRatio / 2].map((t) =>
    quantileRank(t, entries)
  );
  return Math.max(low!.below + 1, entries - 1 - high!.below);
}

/** The rows of a token as the kernels read them, and the tables that rows and channels need. */
function modelTables(settings: KvquantSettings, layout: TokenRows, headDim: number) {
  const rule = settings.axis === "channel" ? channelRule(settings, headDim) : undefined;
  const [bounds, values]: [number[], number[]] = [[], []];
  const rows = layout.rows.map(({ firstHead, codes, bits, wordOffset, words }) => {
    const book = bookOf(settings, bits);
    const row = {
      first_code: firstHead * headDim,
      codes,
      bits,
      word_offset: wordOffset,
      words,
      first_bound: bounds.length,
      first_value: values.length,
      masked_code: settings.quantizer === "int" ? 0 : new CodeFinder(book.bounds).find(0),
    };
    const restored = rule === undefined
      ? book.values
      : channelTable(settings, rule, book, firstHead * headDim, codes);
    bounds.push(...book.bounds);
    for (const value of restored) values.push(value);
    return row;
  });
  const channels = Array.from(
    rule?.lower ?? [],
    (lower, i) => [lower, rule!.upper[i]!, rule!.factor[i]!, rule!.offset[i]!],
  );
  return { rows, bounds, values, channels };
}

type Role =
  | "codes"
  | "scale_zero"
  | "row_pointers"
  | "rows"
  | "bounds"
  | "values"
  | "channels";

/** Store of `kvquant` over GPU tensors; `settle` throws on non-finite input. */
export class KvquantStoreGpu extends GrowingStore<KvquantSettings, Role> {
  protected override readonly constantRoles = ["rows", "bounds", "values", "channels"] as const;
  readonly #tensor: GpuTensor;
  readonly #layout: TokenRows;
  readonly #quantizeKernels: Kernels;
  /** Words with a bit for each entry of a token. */
  readonly #maskWords: number;
  readonly #quantizeEntry: "quantize" | "quantize_tokens";
  readonly #outlierKernels: Kernels;
  readonly #restoreKernels: Kernels;
  readonly #overlayKernels: Kernels;
  readonly #outliers: SettledStream;

  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: KvquantSettings,
    tokens: number,
  ) {
    const tensor = settings.preRope ? preRopeOf(source).tensor : source.tensor;
    const layout = tokenRows(settings.bits, tensor.headDim);
    const { rows, bounds, values, channels } = modelTables(settings, layout, tensor.headDim);
    const { from, to } = kvquantRange(settings, tokens);
    const room = to - from;
    // Constants, since kernels divide by them.
    const fixed =
      `const fixed_heads = ${tensor.heads}u;\nconst fixed_head_dim = ${tensor.headDim}u;`;
    const kernels = (...texts: string[]) =>
      Kernels.of(device, "kvquant", [fixed, pack, common, ...texts], {
        calibrated: settings.axis === "channel",
        whole: settings.quantizer === "int",
        round_zero: settings.roundZero,
        sparse: settings.outliersRatio > 0,
        wide: settings.paramDtype === "f32",
      });
    const entries = tensor.heads * tensor.headDim;
    const maskWords = Math.ceil(entries / 32);
    const masks = `const mask_words = ${maskWords}u;`;
    const short = isShortToken(entries, tensor.headDim, farthestRank(settings, entries));
    const quantize = kernels(
      orderStatistics(short ? 1 : entries),
      masks,
      short ? SOURCE_QUADS : SOURCE,
      sourceAccess,
      record,
      short ? quantizeTokens(entries, layout) : quantizeKernel,
    );
    super(device, source, settings, kvquantRange, {
      codes: room * layout.words,
      scale_zero: settings.axis === "token" ? parameterWords(settings.paramDtype, room) : 0,
      row_pointers: settings.outliersRatio > 0 ? room : 0,
      rows: quantize.contents("rows", rows),
      bounds: Float32Array.from(bounds),
      values: Float32Array.from(values),
      channels: quantize.contents("channels", channels),
    });
    this.#tensor = tensor;
    this.#layout = layout;
    this.#quantizeKernels = quantize;
    this.#maskWords = maskWords;
    this.#quantizeEntry = short ? "quantize_tokens" : "quantize";
    this.#outlierKernels = kernels(masks, SOURCE, sourceAccess, outlierKernels);
    this.#restoreKernels = kernels(restoreKernel);
    this.#overlayKernels = kernels(overlayKernel);
    this.#outliers = new SettledStream(
      this.bench,
      "outliers",
      (end) => end * outlierWords(settings),
    );
  }

  get sizesNeedSettle(): boolean {
    return this.settings.outliersRatio > 0;
  }

  restore(target: GpuTensor): void {
    this.bench.batch(() => {
      const entries = target.heads * this.tokens * target.headDim;
      const [entryPoint, threads] = target.headDim % 4 === 0
        ? ["restore_quads", entries / 4]
        : ["restore", entries];
      this.run(this.#restoreKernels, entryPoint, { threads }, {
        job: this.#job(target, 0, this.tokens),
        restored: target.buffer,
        restored_quads: target.buffer,
      });
      for (const { first, items, words } of this.#outliers.parts) {
        this.run(this.#overlayKernels, "overlay", { threads: OVERLAY_LANES * items }, {
          job: this.#job(target, first, items),
          outlier_words: words,
          restored: target.buffer,
        });
      }
      if (this.settings.preRope) {
        const { rope } = preRopeOf(this.source);
        rotateOnGpu(this.bench.device, target, this.quantized, rope);
      }
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    const tokens = this.tokensAt(n);
    const outliers = this.#outliers.ends[tokens - 1] ?? 0;
    return kvquantBuffers(this.settings, this.#layout, this.#tensor.headDim, tokens, outliers);
  }

  async contents(): Promise<readonly BufferContents[]> {
    await this.settle();
    return await this.used(this.buffers(this.length), { outliers: this.#outliers.words });
  }

  override free(): void {
    super.free();
    this.#outliers.free();
  }

  protected override awaited(): readonly WordRegion[] {
    return [this.#outliers.awaited(this.memory.row_pointers)];
  }

  protected override learn(ends: Uint32Array<ArrayBuffer>): void {
    this.#outliers.settle(ends);
  }

  protected quantize(first: number, tokens: number): void {
    const worst = this.#tensor.heads * this.#tensor.headDim * outlierWords(this.settings);
    const most = Math.max(1, Math.floor(MOST_WAITING_WORDS / worst));
    for (let done = 0; done < tokens; done += most) {
      this.#quantizeSome(first + done, Math.min(most, tokens - done), worst);
    }
  }

  /** Quantizes some tokens in one go; each has at most `worst` words of outliers. */
  #quantizeSome(first: number, tokens: number, worst: number): void {
    const { bench } = this;
    const kernels = this.#quantizeKernels;
    const sparse = this.settings.outliersRatio > 0;
    bench.batch(() => {
      const marks = bench.buffer("marks", sparse ? tokens * (1 + this.#maskWords) : 1);
      const job = this.#job(this.#tensor, first, tokens);
      const bindings = { job, source: this.#tensor.buffer, marks };
      this.run(kernels, this.#quantizeEntry, { workgroups: tokens }, bindings);
      if (sparse) {
        const words = bench.buffer("waiting outliers", tokens * worst);
        const blocks = Math.ceil(tokens / BLOCK);
        const block_outliers = bench.buffer("outliers of blocks", blocks);
        const written = { ...bindings, outlier_words: words, block_outliers };
        this.run(this.#outlierKernels, "count_outliers", { workgroups: blocks }, written);
        this.run(this.#outlierKernels, "place_outliers", { workgroups: blocks }, written);
        this.run(this.#outlierKernels, "write_outliers", {
          threads: tokens * this.#maskWords,
        }, written);
        bench.free(block_outliers);
        this.#outliers.add({ first, items: tokens, words });
      }
      bench.free(marks);
    });
  }

  #job({ heads, headDim, capacity }: GpuTensor, first: number, tokens: number) {
    const t = 1 - this.settings.outliersRatio / 2;
    const low = quantileRank(1 - t, heads * headDim);
    const high = quantileRank(t, heads * headDim);
    return {
      capacity,
      from_token: this.quantized.from,
      first,
      tokens,
      token_words: this.#layout.words,
      rows: this.#layout.rows.length,
      low_rank: low.below,
      high_rank: high.below,
      low_weight: low.weight,
      high_weight: high.weight,
    };
  }
}
