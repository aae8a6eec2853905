/**
 * What a policy is: the methods a user writes, and the plain data they are given. Names are those
 * of the published task (snake_case).
 *
 * @module
 */
import type { Axis, KvKind } from "../quant/family.ts";
import type { HookMethods } from "../quant/hooks.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";

/**
 * Numbers about one layer, kind and head of the current cache.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type Policy, type TokenStats } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * // Twice the width where one channel is much wider than the others.
 * const width = ({ channel_range_max, channel_range_mean }: TokenStats) =>
 *   channel_range_max > 2.6 * channel_range_mean ? 4 : 2;
 * const policy: Policy = {
 *   ...policies.uniform_quant_2bit(),
 *   choose_bits: (_layer, _kind, _head, stats) => width(stats),
 * };
 * await using lab = await open("mini", { device: "cpu" });
 * const { widths } = await lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
 * // Keys and values of layer 2: the second head's keys have such a channel.
 * assertEquals(widths[2], [[2, 4], [2, 2]]);
 * ```
 */
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

/**
 * What the run has spent so far.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { BudgetState } from "@kvreplay/kvreplay";
 *
 * // All that the budget allows for the first layer and the last, which suffer most.
 * const width = (layer: number, { budget_bits, layers }: BudgetState) =>
 *   layer === 0 || layer === layers - 1 ? budget_bits : 2;
 * const budget: BudgetState = {
 *   ...{ budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null },
 *   ...{ layers: 8, kv_heads: 2, head_dim: 64 },
 * };
 * assertEquals([0, 1, 7].map((layer) => width(layer, budget)), [4, 2, 4]);
 * ```
 */
export interface BudgetState {
  /** No code may be wider. */
  readonly budget_bits: number;
  /** Average stored bits per entry of the cache so far in this example. */
  readonly used_bits: number;
  /** `budget_bits` less `used_bits`; negative once more was stored than the budget. */
  readonly remaining_bits: number;
  /** Step of the example, from 0. */
  readonly step: number;
  /** Steps of the example; null while unknown. */
  readonly total_steps: number | null;
  /** Layers of the model. */
  readonly layers: number;
  /** KV heads of a layer. */
  readonly kv_heads: number;
  /** Channels of a head. */
  readonly head_dim: number;
}

/**
 * The request being served.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { RequestMeta } from "@kvreplay/kvreplay";
 *
 * // A twentieth of the prompt, in whole groups of 32 tokens.
 * const window = ({ prompt_tokens }: Pick<RequestMeta, "prompt_tokens">) =>
 *   32 * Math.max(1, Math.round(prompt_tokens / 640));
 * assertEquals([100, 2000].map((prompt_tokens) => window({ prompt_tokens })), [32, 96]);
 * ```
 */
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

/**
 * The whole run.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { WorkloadMeta } from "@kvreplay/kvreplay";
 *
 * // Learning takes time that a short run does not earn back.
 * const mode = ({ examples, mean_prompt_tokens }: WorkloadMeta) =>
 *   examples * mean_prompt_tokens < 10_000 ? "none" : "offline";
 * const sizes = { layers: 8, query_heads: 4, kv_heads: 2, head_dim: 64 };
 * const model = { ...sizes, hidden_size: 256, vocab_size: 2048 };
 * const prompts = { slice: "mine", mean_prompt_tokens: 1200, max_prompt_tokens: 1500 };
 * assertEquals(mode({ ...prompts, examples: 4, model }), "none");
 * assertEquals(mode({ ...prompts, examples: 32, model }), "offline");
 * ```
 */
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
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type OptionalHooks } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * // Smaller groups for keys: a 16-bit scale and zero point for 32 entries instead of 64.
 * const finer: Partial<OptionalHooks> = {
 *   group_size: (_layer, kind) => kind === "key" ? 32 : 64,
 * };
 * const policy = { ...policies.uniform_quant_2bit(), ...finer };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
 * assertEquals(numbers.avg_bits_per_kv_token, (3 + 2.5) / 2);
 * ```
 */
export interface OptionalHooks extends HookMethods {
  /** Name of the family that quantizes; default `uniform`. */
  quantizer_family(layer_id: number, kv_kind: KvKind, request_meta: RequestMeta): string;
  /** Entries that share a scale, -1 for a whole head; default: the family's. */
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
  /**
   * Share of the entries that are stored exactly with their positions, 0 to below 1; default: the
   * family's.
   */
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
   * scored; what it returns, or promises, is handed to each family that takes a lesson.
   */
  calibrate(samples: CalibrationStatistics): unknown;
}

/**
 * A bit-allocation policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type Policy } from "@kvreplay/kvreplay";
 *
 * const firstLayers: Policy = {
 *   choose_bits: (layer) => layer < 2 ? 4 : 2,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 * };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, firstLayers, { maxNewTokens: 2 });
 * // Two of eight layers.
 * assertEquals(numbers.code_bits, 2.5);
 * ```
 */
export interface Policy extends Partial<OptionalHooks> {
  /**
   * Whether the policy stands for the setting of an engine, and any width may be chosen: 16 leaves a
   * layer's keys or values as they are. Reports mark it, and rank it among no others.
   */
  readonly outside_budget?: boolean;
  /**
   * Code width of one layer, kind and KV head; at most `budget_state.budget_bits`, unless the policy
   * is outside the budget.
   */
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
