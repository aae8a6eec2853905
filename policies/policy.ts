/**
 * What a policy is: the methods a user writes, and the plain data they are given. Names are those
 * of the published task (snake_case).
 *
 * @module
 */
import type { Axis, KvKind } from "../quant/family.ts";
import type { HookMethods } from "../quant/hooks.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";

/** Numbers about one layer, kind and head of the current cache. */
export interface TokenStats {
  /** Tokens in the cache. */
  readonly tokens: number;
  /** Smallest entry. */
  readonly min: number;
  /** Largest entry. */
  readonly max: number;
  /** Mean of the entries. */
  readonly mean: number;
  /** Population standard deviation of the entries. */
  readonly std: number;
  /** Largest absolute entry. */
  readonly abs_max: number;
  /** Mean over channels of (max - min over tokens). */
  readonly channel_range_mean: number;
  /** Largest such range. */
  readonly channel_range_max: number;
  /** Mean over tokens of (max - min over channels). */
  readonly token_range_mean: number;
  /** Largest such range. */
  readonly token_range_max: number;
  /** Share of entries beyond 6 standard deviations of the mean. */
  readonly outlier_share: number;
  /** Attention that the recent queries give to the recent tokens; null unless `use_attentions`. */
  readonly attention_mass_recent: number | null;
  /** Mean entropy (nats) of the recent queries' attention; null unless `use_attentions`. */
  readonly attention_entropy: number | null;
}

/** What the run has spent so far. */
export interface BudgetState {
  /** No code may be wider. */
  readonly budget_bits: number;
  /** Average stored bits per element so far in this example. */
  readonly used_bits: number;
  /** `budget_bits` less `used_bits`; negative once more was stored than the budget. */
  readonly remaining_bits: number;
  /** Step of the example, from 0. */
  readonly step: number;
  /** Null while unknown. */
  readonly total_steps: number | null;
  /** Layers of the model. */
  readonly layers: number;
  /** KV heads of a layer. */
  readonly kv_heads: number;
  /** Channels of a head. */
  readonly head_dim: number;
}

/** The request being served. */
export interface RequestMeta {
  /** Name of the slice. */
  readonly slice: string;
  /** Dataset of the example, as LongBench's field names it. */
  readonly dataset: string;
  /** Tokens of the rendered prompt. */
  readonly prompt_tokens: number;
  /** Tokens in this step's snapshot. */
  readonly cache_tokens: number;
  /** Longest answer, in tokens. */
  readonly max_new_tokens: number;
}

/** The whole run. */
export interface WorkloadMeta {
  /** Name of the slice. */
  readonly slice: string;
  /** Examples that will be replayed. */
  readonly examples: number;
  /** Mean length of their prompts, in tokens. */
  readonly mean_prompt_tokens: number;
  /** Length of the longest prompt, in tokens. */
  readonly max_prompt_tokens: number;
  /** Architecture sizes of the model. */
  readonly model: {
    /** Layers. */
    readonly layers: number;
    /** Query heads of a layer. */
    readonly query_heads: number;
    /** KV heads of a layer; a divisor of `query_heads`. */
    readonly kv_heads: number;
    /** Channels of a head. */
    readonly head_dim: number;
    /** Width of the residual stream. */
    readonly hidden_size: number;
    /** Tokens of the vocabulary. */
    readonly vocab_size: number;
  };
}

/**
 * Methods a policy may leave out; the family's default holds then. Names and answers are those of the
 * table in quant/hooks.ts.
 */
export interface OptionalHooks extends HookMethods {
  /** Name of the family that quantizes; default `uniform`. */
  quantizer_family(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): string;
  /** Entries that share a scale; default: the family's. */
  group_size(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** Tokens at the start that stay exact; default 0. */
  sink_tokens(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** Share of a group's range that codes cover, above 0 and at most 1; default 1. */
  clip_ratio(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /**
   * qaq: what shares its parameters: a token over all layers and heads, a token over the heads of a
   * layer, or a token of one head; default `"head"`.
   */
  quantization_level(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
  ): "token" | "layer" | "head";
  /** qaq: spacing of the levels; default `"uniform"`. */
  quantization_method(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
  ): "uniform" | "normal";
  /** Whether ranges are centred on zero and need no zero point; default false. */
  symmetric(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): boolean;
  /** Share of the entries that are stored exactly with their positions, 0..1; default: the family's. */
  outliers_ratio(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** qaq: whether attention decides the widths within `bit_range`; default false. */
  use_attentions(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): boolean;
  /** qaq: recent queries whose attention is looked at; default 1. */
  last_n_attentions(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** qaq: error that the attention-aware widths aim at; default 3. */
  target_quantization_error(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** qaq: assumed norm of the queries, used as if squared, for keys; default 300. */
  q_norm(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  /** qaq: smallest and largest attention-aware width, each 0..16; default `[2, 4]`. */
  bit_range(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
    budget_state: BudgetState,
  ): readonly [number, number];
  /** Project extension: settings of one family that no common hook names. */
  family_options(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
  ): Readonly<Record<string, unknown>>;
  /**
   * Called once when `calibration_mode` is `"offline"`, with statistics of samples that are never
   * scored; what it returns is handed to each family that takes a lesson.
   */
  calibrate(samples: CalibrationStatistics): unknown;
}

/** A bit-allocation policy. */
export interface Policy extends Partial<OptionalHooks> {
  /** Code width of one layer, kind and KV head; at most `budget_state.budget_bits`. */
  choose_bits(
    layer_id: number,
    kv_kind: KvKind,
    head_group: number,
    token_stats: TokenStats,
    budget_state: BudgetState,
  ): number;
  /** Direction of the groups of one layer and kind. */
  choose_axis(layer_id: number, kv_kind: KvKind): Axis;
  /** Recent tokens kept exact. */
  residual_length(layer_id: number, request_meta: RequestMeta): number;
  /** Whether the policy or its families learn from samples before the run. */
  calibration_mode(workload_meta: WorkloadMeta, budget_state: BudgetState): "none" | "offline";
}
