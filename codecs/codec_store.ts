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
import { codedSince, codedTokens, type FullRule } from "./block_rule.ts";
import type { CodecPair } from "./codec_pair.ts";
import type { CodedBlocks } from "./codec_process.ts";
import type { CodecSession } from "./codec_session.ts";

/** Consecutive blocks. */
interface CodedRun {
  /** First token. */
  readonly first: number;
  readonly coded: CodedBlocks;
  /** One block after the other, `[heads, tokens, headDim]` each. */
  readonly restored: Float32Array<ArrayBuffer>;
}

/** A store over tensors of any backend; blocks are coded by `settle`. */
export class CodecStore<T extends KvShape> implements Store<T> {
  readonly sizesNeedSettle = true;
  quantized: TokenRange;
  readonly #rule: FullRule;
  readonly #session: CodecSession;
  readonly #runs: CodedRun[] = [];
  /** First token that is in no block yet. */
  #next: number;
  #real: Promise<CpuTensor> | undefined;

  constructor(
    private readonly backend: Pick<Backend<T>, "read" | "upload" | "copy" | "free">,
    private readonly source: Source<T>,
    private readonly pair: CodecPair,
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
        take: (from, coded, restored) => this.#runs.push({ first: from, coded, restored }),
      });
    }
  }

  restore(target: T): void {
    const { heads, headDim } = target;
    const { tokens } = this.#rule;
    const { from, to } = this.quantized;
    const count = to - from;
    if (count === 0) return;
    const data = new Float32Array(heads * count * headDim);
    const piece = tokens * headDim;
    for (const { first, coded, restored } of this.#runs) {
      let at = 0;
      for (let b = 0; b < coded.lengths.length; b++) {
        for (let head = 0; head < heads; head++) {
          const entry = (head * count + first + b * tokens - from) * headDim;
          data.set(restored.subarray(at, at += piece), entry);
        }
      }
    }
    const whole = this.backend.upload(data, { heads, capacity: count, headDim });
    this.backend.copy(whole, 0, count, target, from);
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
    this.#real = undefined;
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
