/**
 * What a policy is: the methods a user writes, and the plain data they are given. Names are those
 * of the published task (snake_case).
 *
 * @module
 */
import type { Axis, KvKind } from "../quant/family.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";

/** Numbers about one layer, kind and head of the current cache. */
export interface TokenStats {
  readonly tokens: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  readonly abs_max: number;
  /** Mean over channels of (max - min over tokens). */
  readonly channel_range_mean: number;
  readonly channel_range_max: number;
  /** Mean over tokens of (max - min over channels). */
  readonly token_range_mean: number;
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
  readonly remaining_bits: number;
  readonly step: number;
  /** Null while unknown. */
  readonly total_steps: number | null;
  readonly layers: number;
  readonly kv_heads: number;
  readonly head_dim: number;
}

/** The request being served. */
export interface RequestMeta {
  readonly slice: string;
  readonly dataset: string;
  readonly prompt_tokens: number;
  /** Tokens in this step's snapshot. */
  readonly cache_tokens: number;
  readonly max_new_tokens: number;
}

/** The whole run. */
export interface WorkloadMeta {
  readonly slice: string;
  readonly examples: number;
  readonly mean_prompt_tokens: number;
  readonly max_prompt_tokens: number;
  readonly model: {
    readonly layers: number;
    readonly query_heads: number;
    readonly kv_heads: number;
    readonly head_dim: number;
    readonly hidden_size: number;
    readonly vocab_size: number;
  };
}

/** Methods a policy may leave out; the family's default holds then. */
export interface OptionalHooks {
  quantizer_family(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): string;
  group_size(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  sink_tokens(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  clip_ratio(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  quantization_level(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
  ): "token" | "layer" | "head";
  quantization_method(
    layer_id: number,
    kv_kind: KvKind,
    request_meta: RequestMeta,
  ): "uniform" | "normal";
  symmetric(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): boolean;
  outliers_ratio(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  use_attentions(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): boolean;
  last_n_attentions(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  target_quantization_error(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
  q_norm(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): number;
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
   * scored; what it returns is handed to the family.
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
  choose_axis(layer_id: number, kv_kind: KvKind): Axis;
  /** Recent tokens kept exact. */
  residual_length(layer_id: number, request_meta: RequestMeta): number;
  calibration_mode(workload_meta: WorkloadMeta, budget_state: BudgetState): "none" | "offline";
}
