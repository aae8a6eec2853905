/**
 * What a codec is: a quantizer that anyone may bring, in one file, judged by the bytes it makes.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";

/**
 * Sizes of the model whose cache is coded.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CodecModel } from "@kvreplay/kvreplay/codecs";
 *
 * // Entries of one token in one layer, keys or values.
 * const entries = ({ kv_heads, head_dim }: CodecModel) => kv_heads * head_dim;
 * assertEquals(entries({ layers: 24, query_heads: 14, kv_heads: 2, head_dim: 64 }), 128);
 * ```
 */
export interface CodecModel {
  /** Layers of the model. */
  readonly layers: number;
  /** Heads of the queries. */
  readonly query_heads: number;
  /** Heads of keys and values. */
  readonly kv_heads: number;
  /** Channels of one head. */
  readonly head_dim: number;
  /** The file of the codec's name that ends in `.wasm`, where one lies beside it. */
  readonly wasm?: Uint8Array<ArrayBuffer>;
}

/**
 * How the cache of one kind is cut. Of `n` tokens the first `sink_tokens` and the last `window` stay
 * exact; of the others, whole blocks are coded, from the front, and what fills none stays exact.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type BlockRule, codedTokens } from "@kvreplay/kvreplay/codecs";
 *
 * const rule: BlockRule = { tokens: 32, window: 16, sink_tokens: 4 };
 * assertEquals(codedTokens(rule, 100), { from: 4, to: 68 });
 * ```
 */
export interface BlockRule {
  /** Tokens of a block; default 1. */
  readonly tokens?: number;
  /** Most recent tokens that stay exact; default 0. */
  readonly window?: number;
  /** First tokens that stay exact; default 0. */
  readonly sink_tokens?: number;
}

/**
 * Where a block lies.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { BlockPlace } from "@kvreplay/kvreplay/codecs";
 *
 * const entries = ({ heads, tokens, headDim }: BlockPlace) => heads * tokens * headDim;
 * assertEquals(entries({ first: 96, tokens: 32, heads: 2, headDim: 64 }), 4096);
 * ```
 */
export interface BlockPlace {
  /** Position of its first token. */
  readonly first: number;
  /** Number of its tokens. */
  readonly tokens: number;
  /** KV heads. */
  readonly heads: number;
  /** Channels of one head. */
  readonly headDim: number;
}

/**
 * A block to encode.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Block } from "@kvreplay/kvreplay/codecs";
 *
 * // Channel 5 of the second head in the third token.
 * const entry = ({ data, tokens, headDim }: Block) => data[(1 * tokens + 2) * headDim + 5];
 * const data = Float32Array.from({ length: 2 * 4 * 8 }, (_, i) => i);
 * assertEquals(entry({ first: 0, tokens: 4, heads: 2, headDim: 8, data }), 53);
 * ```
 */
export interface Block extends BlockPlace {
  /** Keys after RoPE, or values: `[heads, tokens, headDim]`, row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * What a layer computed for the prompt.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Observed } from "@kvreplay/kvreplay/codecs";
 *
 * // The token that the first query head looked at most.
 * const heaviest = ({ scores, tokens }: Observed) =>
 *   scores.subarray(0, tokens).reduce((best, mass, t) => mass > scores[best]! ? t : best, 0);
 * const none = new Float32Array(0);
 * const scores = Float32Array.of(1.5, 0.25, 1.25);
 * assertEquals(heaviest({ tokens: 3, queries: none, keys: none, values: none, scores }), 0);
 * ```
 */
export interface Observed {
  /** Tokens of the prompt that were prefilled. */
  readonly tokens: number;
  /** Queries after RoPE, `[query_heads, tokens, head_dim]`. */
  readonly queries: Float32Array<ArrayBuffer>;
  /** Keys after RoPE, `[kv_heads, tokens, head_dim]`. */
  readonly keys: Float32Array<ArrayBuffer>;
  /** Values, `[kv_heads, tokens, head_dim]`. */
  readonly values: Float32Array<ArrayBuffer>;
  /**
   * Attention that each token received, summed over the queries of the prompt that could see it,
   * `[query_heads, tokens]`: the rows of a head add up to `tokens`.
   */
  readonly scores: Float32Array<ArrayBuffer>;
}

/**
 * Keys and values of the calibration set in one layer, tokens drawn evenly from all samples.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { CodecSamples } from "@kvreplay/kvreplay/codecs";
 *
 * const largest = ({ keys }: CodecSamples) => Math.max(...keys.map(Math.abs));
 * const keys = Float32Array.of(-3, 2);
 * assertEquals(largest({ tokens: 1, keys, values: keys }), 3);
 * ```
 */
export interface CodecSamples {
  /** Tokens. */
  readonly tokens: number;
  /** Keys after RoPE, `[kv_heads, tokens, head_dim]`. */
  readonly keys: Float32Array<ArrayBuffer>;
  /** Values, `[kv_heads, tokens, head_dim]`. */
  readonly values: Float32Array<ArrayBuffer>;
}

/**
 * A quantizer of one's own: the default export of a file given to `--quantizer`, as a class or an
 * object. `encode` and `decode` run in two processes that share nothing: what `decode` is given is
 * what `encode` returned, the lesson and the shape, and the bytes that `encode` returned are the
 * memory that is counted. Both begin anew with every example.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Codec } from "@kvreplay/kvreplay/codecs";
 *
 * // Half precision: two bytes an entry.
 * const half: Codec = {
 *   encode: (_layer, _kind, { data }) => new Uint8Array(Float16Array.from(data).buffer),
 *   decode: (_layer, _kind, bytes) => Float32Array.from(new Float16Array(bytes.buffer)),
 * };
 * const block = { first: 0, tokens: 1, heads: 1, headDim: 2, data: Float32Array.of(1, -0.5) };
 * const bytes = half.encode(0, "key", block);
 * assertEquals(half.decode(0, "key", bytes, block), block.data);
 * ```
 */
export interface Codec {
  /** How the cache is cut; absent: every token by itself, and none stays exact. */
  blocks?(kind: KvKind): BlockRule;
  /**
   * Learns from samples that are never scored, `samples[layer]`; what it returns is the lesson, which
   * counts as a constant of the model. It may be async.
   */
  calibrate?(
    samples: readonly CodecSamples[],
    model: CodecModel,
  ): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** Begins an example, in either process. It may be async. */
  reset?(model: CodecModel, lesson: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Looks at the prompt, in the process of `encode`, layer after layer, before anything is encoded. */
  observe?(layer: number, observed: Observed): void;
  /** Codes a block. Blocks of a layer and kind come in the order of their tokens. */
  encode(layer: number, kind: KvKind, block: Block): Uint8Array<ArrayBuffer>;
  /** Restores a block, `[heads, tokens, headDim]`. Blocks come in the order they were encoded. */
  decode(
    layer: number,
    kind: KvKind,
    bytes: Uint8Array<ArrayBuffer>,
    place: BlockPlace,
  ): Float32Array<ArrayBuffer>;
}
