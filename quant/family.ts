/**
 * What a quantizer family is: the interface that every family implements, and the settings it is
 * given. A family decides which tokens of a cache are quantized, turns them into packed words plus
 * parameters, restores them, and says how many bytes its buffers hold.
 *
 * @module
 */
import type { Calibration, CalibrationSamples } from "./calibration.ts";
import type { CpuTensor, GpuTensor, KvShape, TokenRange } from "./tensor.ts";

/** The two tensors a layer caches. */
export type KvKind = "key" | "value";

/** Both kinds, in the order they are reported. */
export const KV_KINDS = ["key", "value"] as const;

/**
 * Direction of a quantization group: `"channel"` groups consecutive tokens of one channel,
 * `"token"` groups consecutive channels of one token.
 */
export type Axis = "channel" | "token";

/**
 * What a policy answered for one layer and kind, after type and range checks but before any family
 * rule. Absent optional hooks are absent here; the family fills in its own defaults.
 */
export interface HookAnswers {
  readonly layer: number;
  readonly kind: KvKind;
  /** Code width per KV head, 1..8. */
  readonly bits: readonly number[];
  readonly axis: Axis;
  /** Tokens the policy wants kept exact at the recent end. */
  readonly residualLength: number;
  readonly groupSize?: number;
  readonly sinkTokens?: number;
  readonly clipRatio?: number;
  readonly quantizationLevel?: "token" | "layer" | "head";
  readonly quantizationMethod?: "uniform" | "normal";
  readonly symmetric?: boolean;
  readonly outliersRatio?: number;
  readonly useAttentions?: boolean;
  readonly lastNAttentions?: number;
  readonly targetQuantizationError?: number;
  readonly qNorm?: number;
  /** Smallest and largest width, each 0..16, for attention-aware bits. */
  readonly bitRange?: readonly [number, number];
  /** Family-specific settings beyond the common hooks (project extension `family_options`). */
  readonly options?: Readonly<Record<string, unknown>>;
  /** `"none"` or `"offline"`, as the policy chose for the run. */
  readonly calibrationMode: "none" | "offline";
  /** Seed of the run, for families that draw at random; absent means 0. */
  readonly seed?: number;
  /** What the policy's `calibrate` returned, handed through untouched. */
  readonly calibration?: unknown;
}

/** Names of the optional hooks, as a policy spells them. */
export const OPTIONAL_HOOKS = [
  "quantizer_family",
  "group_size",
  "sink_tokens",
  "clip_ratio",
  "quantization_level",
  "quantization_method",
  "symmetric",
  "outliers_ratio",
  "use_attentions",
  "last_n_attentions",
  "target_quantization_error",
  "q_norm",
  "bit_range",
  "family_options",
] as const;

/** One of the optional hooks. */
export type OptionalHook = typeof OPTIONAL_HOOKS[number];

/** Settings of one layer and kind as a family will apply them; JSON-serialisable apart from calibration. */
export interface Settings {
  readonly family: string;
  readonly layer: number;
  readonly kind: KvKind;
  /** Code width per KV head. */
  readonly bits: readonly number[];
  /** Precision in which scales and zero points are stored. */
  readonly paramDtype: "f16" | "f32" | "fp8";
  /** True when the replay must call the family's `calibrate` and fill in `calibration`. */
  readonly calibrated?: boolean;
  /** What `calibrate` returned for these settings. */
  readonly calibration?: Calibration;
  /** Where these settings depart from the family's official rules, one clause each. */
  readonly deviations?: readonly string[];
}

/** The real tensors of one layer and kind, and what attention-aware families may need beside them. */
export interface Source<T extends KvShape> {
  readonly layer: number;
  readonly kind: KvKind;
  /** Keys after RoPE, or values; `capacity` covers every snapshot that will be asked for. */
  readonly tensor: T;
  /** Keys before RoPE, same shape; present when the family's `needs` asked for them. */
  readonly preRope?: T;
  /** Rotary tables `[positions, headDim / 2]`, present together with `preRope`. */
  readonly rope?: { readonly cos: T; readonly sin: T };
  /** Queries after RoPE of this layer, `[queryHeads, capacity, headDim]`, when `needs` asked for them. */
  readonly queries?: T;
  /** Keys after RoPE of this layer (for attention weights), when queries are present. */
  readonly keys?: T;
  /** Tokens of the prompt that were prefilled (positions from there on were decoded). */
  readonly promptTokens: number;
  /** Sources of every layer of this kind, in layer order, for families that couple layers. */
  readonly siblings: readonly Source<T>[];
  /** Room for work shared by the stores of one cache (keyed by the family). */
  readonly shared: Map<string, unknown>;
}

/** One buffer of a store, for accounting and audit. */
export interface StoredBuffer {
  /** `codes`, `scale`, `zero`, `outlier_values`, … */
  readonly role: string;
  /** Bytes in use. */
  readonly bytes: number;
  /** Width of one code, for `codes` buffers: per head, or one mean where widths vary by group. */
  readonly bits?: readonly number[];
  /** Number of codes held, for `codes` buffers, in the order of `bits`. */
  readonly codes?: readonly number[];
}

/** What one buffer of a store holds. */
export interface BufferContents {
  /** The role under which `buffers` lists it. */
  readonly role: string;
  /** The whole buffer, room for tokens still to come included. */
  readonly words: Uint32Array<ArrayBuffer>;
}

/**
 * The quantized cache of one layer and kind while one example is replayed. It grows from snapshot
 * to snapshot; a group is quantized once, when it first falls into the quantized range.
 */
export interface Store<T extends KvShape> {
  /** Token positions that are quantized now. */
  readonly quantized: TokenRange;
  /** True for caches that by definition re-quantize their own store (hf_*): never started afresh. */
  readonly carriesState?: boolean;
  /** True when `buffers` can only be told after `settle` (sizes that depend on device data). */
  readonly sizesNeedSettle?: boolean;
  /** Whether bringing the store to `n` tokens would change tokens that were restorable before (hf caches). */
  rewrites(n: number): boolean;
  /** Brings the store to a snapshot of the first `n` tokens; `n` never decreases. */
  grow(n: number): void;
  /** Writes every quantized token's restored values to its own position in `target`. */
  restore(target: T): void;
  /** Waits for sizes and errors that are only known after device work; throws on non-finite input. */
  settle(): Promise<void>;
  /** The buffers as they were when the store held `n` tokens (an `n` given to `grow`); after `settle`. */
  buffers(n: number): readonly StoredBuffer[];
  /** The buffers themselves, read back to host memory: for audits and tests. */
  contents(): Promise<readonly BufferContents[]>;
  /** Frees device memory. */
  free(): void;
}

/** What a family needs beside keys and values. */
export interface Needs {
  readonly preRope?: boolean;
  readonly queries?: boolean;
}

/** A quantizer family. */
export interface Family<S extends Settings = Settings> {
  readonly name: string;
  /** Paper, repository and commit the arithmetic follows. */
  readonly source: string;
  /** Code widths it can store. */
  readonly widths: readonly number[];
  /** Optional hooks it uses; any other hook a policy defines is reported as ignored. */
  readonly hooks: readonly OptionalHook[];
  /**
   * Applies the family's defaults and rules.
   * @throws {QuantizerError} for a combination the family cannot express, naming layer and kind
   */
  resolve(answers: HookAnswers, shape: { readonly heads: number; readonly headDim: number }): S;
  /**
   * Learns what these settings need from samples that are never scored. Called for settings that
   * say `calibrated`, once per layer and kind; the same samples and settings give the same result.
   */
  calibrate?(samples: CalibrationSamples, settings: S): Calibration;
  /** Tensors beside the KV cache that these settings read. */
  needs(settings: S): Needs;
  /** Which token positions of a snapshot of `n` tokens are quantized. */
  quantizedRange(settings: S, n: number): TokenRange;
  /** Opens an empty store in host memory for snapshots of up to `tokens` tokens. */
  openCpu(source: Source<CpuTensor>, settings: S, tokens: number): Store<CpuTensor>;
  /** Opens an empty store on a GPU for snapshots of up to `tokens` tokens. */
  openGpu(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: S,
    tokens: number,
  ): Store<GpuTensor>;
}
