/**
 * The model as the replay sees it: one call that runs tokens against a given memory.
 *
 * @module
 */
import type { RotaryPositions } from "../quant/rotary_positions.ts";
import type { StorePool } from "../quant/pool/store_pool.ts";
import type { Backend, KvShape } from "../quant/tensor.ts";

/**
 * Architecture sizes of a decoder-only model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type ModelShape, open } from "@kvreplay/kvreplay";
 *
 * // Bytes that the keys and values of one token take at 16 bits.
 * const bytes = ({ layers, kvHeads, headDim }: ModelShape) => 2 * 2 * layers * kvHeads * headDim;
 * await using lab = await open("mini", { device: "cpu" });
 * assertEquals(bytes(lab.shape), 4096);
 * ```
 */
export interface ModelShape {
  /** Decoder layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Query heads of a layer, a multiple of the KV heads. */
  readonly queryHeads: number;
  /** Heads that have keys and values of their own. */
  readonly kvHeads: number;
  /** Channels of a head, an even number. */
  readonly headDim: number;
  /** Token ids there are. */
  readonly vocab: number;
  /** Positions there are: no sequence is longer. */
  readonly maxPositions: number;
  /** How queries and keys are turned by their position. */
  readonly rotary: RotaryPositions;
}

/** Keys and values of one layer. */
export interface LayerKv<T extends KvShape> {
  readonly key: T;
  readonly value: T;
}

/** What one layer computed for the tokens that were fed. */
export interface LayerOutput<T extends KvShape> extends LayerKv<T> {
  /** Keys before RoPE, when asked for. */
  readonly preRopeKey?: T;
  /** Queries after RoPE, `[queryHeads, fed tokens, headDim]`, when asked for. */
  readonly query?: T;
}

/** One run of the model. */
export interface ForwardInput<T extends KvShape> {
  /** Token ids that are fed. */
  readonly ids: readonly number[];
  /** Rotary position of each fed token. */
  readonly positions: readonly number[];
  /**
   * Memory that was computed before, per layer, all of one capacity `P >= 1`. Entries may be in any
   * order and may repeat a position: keys are already rotated, and the mask says who sees what.
   */
  readonly past: readonly LayerKv<T>[];
  /**
   * Additive attention mask `[maskLayers, fed, P + fed]`, row-major: 0 where a query sees an entry,
   * `MASKED` where not. `maskLayers` is 1 (all layers alike) or the number of layers.
   */
  readonly mask: Float32Array<ArrayBuffer>;
  readonly maskLayers: number;
  /**
   * Where all see as many of the first entries of the past, and of the fed tokens those up to oneself:
   * how many. The mask says the same, and an engine that knows need not read it.
   */
  readonly causal?: number;
  /** How many of the last fed tokens need logits, at least 1. */
  readonly logits: number;
  /** Which tensors of the fed tokens to return; default none. */
  readonly outputs?: "none" | "kv" | "all";
  /** Where `kv` are to go instead of being returned, for an engine that has `placesKv`. */
  readonly into?: KvPlace<T>;
  /** What to compare the logits with, for an engine that can do so where they are. */
  readonly against?: ReferenceRows;
}

/** A place for keys and values of fed tokens, which may be in the past's own tensors, unseen. */
export interface KvPlace<T extends KvShape> {
  readonly layers: readonly LayerKv<T>[];
  /** Entry of the first fed token. */
  readonly at: number;
}

/** Logits of a reference, and which of its rows belong to those of a run. */
export interface ReferenceRows {
  /** `[.., vocab]`, row-major, finite. They stay as they are. */
  readonly logits: Float32Array<ArrayBuffer>;
  /** A row of them for each row of the run. */
  readonly rows: readonly number[];
}

/** How a row of logits compares with a reference's. */
export interface ComparedRow {
  /** `argmax` of the row; the first wins a tie. */
  readonly token: number;
  /** `KL(p_ref || p)` in nats, at least 0; not finite where the row is not. */
  readonly kl: number;
}

/** What a run returns. */
export interface ForwardOutput<T extends KvShape> {
  /** `[logits asked for, vocab]`, row-major, in host memory; empty where they were compared. */
  readonly logits: Float32Array<ArrayBuffer>;
  /** Of each row, where the engine compared them. */
  readonly compared?: readonly ComparedRow[];
  /**
   * Per layer, tensors of capacity `fed`; empty for `outputs: "none"` and where
   * they were put elsewhere. The caller frees them.
   */
  readonly layers: readonly LayerOutput<T>[];
}

/** Additive mask value for "does not see". Finite, so that a row of nothing but masks has no NaN. */
export const MASKED = -1e9;

/** A loaded model on one execution provider. */
export interface Engine<T extends KvShape = KvShape> {
  /** `cpu` (onnxruntime-node), `wasm`, `webgpu-onnx` (onnxruntime-web) or `webgpu` (kernels of ours). */
  readonly device: "cpu" | "wasm" | "webgpu" | "webgpu-onnx";
  readonly shape: ModelShape;
  /** Hash of everything that decides the numbers: weights, config, graph version, runtime version. */
  readonly fingerprint: string;
  readonly backend: Backend<T>;
  /** The device that tensors live on; absent where they live in cpu memory. */
  readonly gpu?: GPUDevice;
  /** Threads that may hold stores of tensors in cpu memory; absent where there is but one. */
  readonly pool?: StorePool;
  /** What that device is and how data gets there, in words. */
  readonly gpuName?: string;
  /**
   * Whether keys and values can be put where they belong, and a past with room behind the entries that
   * are seen costs nothing.
   */
  readonly placesKv?: boolean;
  /**
   * Makes sure that there is memory for replaying so many tokens and steps beside the model; absent
   * where nobody can tell.
   *
   * @returns a sentence to tell, where it takes much
   * @throws {UserError} where there is not enough
   */
  checkRoom?(tokens: number, steps: number): Promise<string | undefined>;
  /** Tokens of a prompt of so many that go through at once; absent where it hardly matters. */
  prefillChunk?(tokens: number): number;
  forward(input: ForwardInput<T>): Promise<ForwardOutput<T>>;
  close(): Promise<void>;
}
