/**
 * The store of one layer and kind under a codec: what its blocks were coded as, and what was restored
 * from that.
 *
 * @module
 */
import type {
  BufferContents,
  ConstantBuffer,
  KvKind,
  Source,
  Store,
  StoredBuffer,
} from "../quant/family.ts";
import type { Backend, CpuTensor, KvShape, TokenRange } from "../quant/tensor.ts";
import { writeBlocks } from "./block_entries.ts";
import { codedSince, codedTokens, type FullRule } from "./block_rule.ts";
import type { CodecPair } from "./codec_pair.ts";
import type { CodedBlocks } from "./codec_process.ts";
import type { CodecSession } from "./codec_session.ts";

/** What consecutive blocks were coded as. */
interface CodedRun {
  /** First token. */
  readonly first: number;
  readonly coded: CodedBlocks;
}

/** A store over tensors of any backend; blocks are coded by `settle`. */
export class CodecStore<T extends KvShape> implements Store<T> {
  readonly sizesNeedSettle = true;
  quantized: TokenRange;
  readonly #rule: FullRule;
  readonly #session: CodecSession;
  readonly #runs: CodedRun[] = [];
  /** What was restored of all blocks so far, each token at its position. */
  #restored: CpuTensor | undefined;
  /** First token that is in no block yet. */
  #next: number;
  #real: Promise<CpuTensor> | undefined;

  constructor(
    private readonly backend: Pick<Backend<T>, "read" | "upload" | "copy" | "free">,
    private readonly source: Source<T>,
    private readonly pair: CodecPair,
    /** Length of the longest snapshot. */
    private readonly tokens: number,
  ) {
    const { layer, kind, siblings } = source;
    this.#rule = pair.rules[indexOf(kind)];
    this.quantized = codedTokens(this.#rule, 0);
    this.#next = this.#rule.sink_tokens;
    this.#session = pair.sessionFor(layer, kind);
    if (pair.observes) this.#offer(siblings);
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.quantized = codedTokens(this.#rule, n);
    const { layer, kind, promptTokens } = this.source;
    const { tokens } = this.#rule;
    // What the prompt alone fills is one run; then every block waits for its own snapshot.
    const atOnce = codedTokens(this.#rule, Math.min(n, promptTokens)).to;
    while (this.#next < this.quantized.to) {
      const first = this.#next;
      const count = Math.max(1, (atOnce - first) / tokens);
      this.#next += count * tokens;
      this.#session.add({
        ...{ layer, kind: indexOf(kind), first, tokens, count },
        since: Math.max(promptTokens, codedSince(this.#rule, this.#next)),
        real: () => this.#tensor(),
        take: (from, coded, restored) => this.#take({ first: from, coded }, restored),
      });
    }
  }

  restore(target: T): void {
    const { from, to } = this.quantized;
    if (to === from) return;
    const { data, ...shape } = this.#restored!;
    const whole = this.backend.upload(data, shape);
    this.backend.copy(whole, from, to - from, target, from);
    this.backend.free(whole);
  }

  settle(): Promise<void> {
    return this.#session.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { to } = codedTokens(this.#rule, n);
    let bytes = 0;
    for (const { first, coded: { lengths } } of this.#runs) {
      for (let b = 0; b < lengths.length; b++) {
        if (first + b * this.#rule.tokens < to) bytes += lengths[b]!;
      }
    }
    return [{ role: "coded", bytes }];
  }

  contents(): Promise<readonly BufferContents[]> {
    const parts = this.#runs.map(({ coded }) => coded.bytes);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const words = new Uint32Array(Math.ceil(bytes / 4));
    const packed = new Uint8Array(words.buffer);
    let at = 0;
    for (const part of parts) {
      packed.set(part, at);
      at += part.length;
    }
    return Promise.resolve([{ role: "coded", words, bytes }]);
  }

  constants(): readonly ConstantBuffer[] {
    const { lesson } = this.pair;
    return lesson.length === 0 ? [] : [{ role: "lesson", memory: lesson }];
  }

  free(): void {
    this.#runs.length = 0;
    this.#restored = undefined;
    this.#real = undefined;
    const { layer, kind } = this.source;
    this.#session.leave(layer, kind);
  }

  #take(run: CodedRun, restored: Float32Array): void {
    const { tensor: { heads, headDim } } = this.source;
    this.#runs.push(run);
    this.#restored ??= {
      ...{ heads, capacity: this.tokens, headDim },
      data: new Float32Array(heads * this.tokens * headDim),
    };
    const blocks = { first: run.first, tokens: this.#rule.tokens, count: run.coded.lengths.length };
    writeBlocks(this.#restored, blocks, restored);
  }

  /** The real tensor in cpu memory. */
  #tensor(): Promise<CpuTensor> {
    return this.#real ??= this.#read(this.source.tensor);
  }

  async #read(tensor: T): Promise<CpuTensor> {
    const { heads, capacity, headDim } = tensor;
    return { heads, capacity, headDim, data: await this.backend.read(tensor) };
  }

  /** Offers this layer's prompt to be looked at; keys and values come from two stores. */
  #offer(siblings: readonly Source<T>[]): void {
    const { layer, kind, queries, keys, promptTokens } = this.source;
    if (kind === "key" || queries === undefined || keys === undefined) return;
    const { tensor } = siblings[layer]!;
    this.#session.observe(layer, async () => ({
      tokens: promptTokens,
      queries: await this.#read(queries),
      keys: await this.#read(keys),
      values: await this.#read(tensor),
    }));
  }
}

function indexOf(kind: KvKind): 0 | 1 {
  return kind === "key" ? 0 : 1;
}
