/**
 * One step's questions to a policy, and its raw answers. This runs wherever the policy runs: in this
 * process for built-ins, in the sandbox's worker for everyone else's. Nothing is checked here: the
 * side that does not trust the policy checks (see check.ts).
 *
 * @module
 */
import { KV_KINDS, type KvKind } from "../quant/family.ts";
import { hookNames, type OptionalHook } from "../quant/hooks.ts";
import type { BudgetState, Policy, RequestMeta, TokenStats } from "./policy.ts";

/**
 * Everything a policy may know at one step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { StepQuestion } from "@kvreplay/kvreplay/policies";
 *
 * // The same question with less to spend: what would the policy do?
 * const poorer = ({ budget, ...rest }: StepQuestion, budget_bits: number): StepQuestion => ({
 *   ...rest,
 *   budget: { ...budget, budget_bits, remaining_bits: budget_bits - budget.used_bits },
 * });
 * const question: StepQuestion = {
 *   budget: {
 *     ...{ budget_bits: 4, used_bits: 2.5, remaining_bits: 1.5, step: 3, total_steps: null },
 *     ...{ layers: 8, kv_heads: 2, head_dim: 64 },
 *   },
 *   request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 11, max_new_tokens: 4 },
 *   stats: () => {
 *     throw new Error("no statistics are asked for");
 *   },
 * };
 * assertEquals(poorer(question, 3).budget.remaining_bits, 0.5);
 * ```
 */
export interface StepQuestion {
  /** What the run may spend and has spent. */
  readonly budget: BudgetState;
  /** What is asked of the model. */
  readonly request: RequestMeta;
  /** Statistics of one layer, kind and head; called only when the policy reads them. */
  stats(layer: number, kind: KvKind, head: number): TokenStats;
}

/**
 * What a policy said about one layer and kind, unchecked.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { RawAnswers } from "@kvreplay/kvreplay/policies";
 *
 * // Widest code of a plan; what is no number is for the check to refuse.
 * const widest = (answers: readonly RawAnswers[]) =>
 *   Math.max(...answers.flatMap(({ bits }) => bits.filter((width) => typeof width === "number")));
 * const rest = { layer: 0, axis: "token", residual: 0, optional: {} };
 * const answers: RawAnswers[] = [
 *   { ...rest, kind: "key", bits: [4, "many"] },
 *   { ...rest, kind: "value", bits: [2, 2] },
 * ];
 * assertEquals(widest(answers), 4);
 * ```
 */
export interface RawAnswers {
  /** Layer, from 0. */
  readonly layer: number;
  /** Keys or values. */
  readonly kind: KvKind;
  /** What `choose_bits` returned for every KV head. */
  readonly bits: readonly unknown[];
  /** What `choose_axis` returned. */
  readonly axis: unknown;
  /** What `residual_length` returned. */
  readonly residual: unknown;
  /** Answers of the optional hooks the policy has. */
  readonly optional: Readonly<Partial<Record<OptionalHook, unknown>>>;
}

/** The optional hooks an object defines as functions. */
export function hooksOf(policy: Policy): OptionalHook[] {
  return hookNames.filter((hook) => typeof policy[hook] === "function");
}

/** Names that `askPolicy` goes through. */
export interface Vocabulary {
  readonly kinds: readonly KvKind[];
  /** Optional hooks the policy defines. */
  readonly hooks: readonly OptionalHook[];
}

/**
 * Asks a policy everything about one step: every layer, kind and head.
 *
 * The function refers to nothing outside itself once `words` is given, because its text is also run
 * where nothing of this project can be imported: in the sandbox.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { askPolicy } from "./ask.ts";
 * import { kiviOverlap4bit } from "./kivi_overlap.ts";
 *
 * const answers = askPolicy(kiviOverlap4bit(), {
 *   budget: {
 *     budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null,
 *     layers: 1, kv_heads: 2, head_dim: 64,
 *   },
 *   request: {
 *     slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4,
 *   },
 *   stats: () => {
 *     throw new Error("this policy reads no statistics");
 *   },
 * });
 * assertEquals(answers.map((a) => a.axis), ["channel", "token"]);
 * assertEquals(answers[0]?.bits, [4, 4]);
 * ```
 */
export function askPolicy(
  policy: Policy,
  question: StepQuestion,
  words: Vocabulary = { kinds: KV_KINDS, hooks: hooksOf(policy) },
): RawAnswers[] {
  const { budget, request } = question;
  /** An object that is filled when it is first looked at. */
  function lazyStats(fetch: () => TokenStats): TokenStats {
    let filled = false;
    const fill = (target: object) => {
      if (!filled) Object.assign(target, fetch());
      filled = true;
      return target;
    };
    return new Proxy({}, {
      get: (target, name) => Reflect.get(fill(target), name),
      has: (target, name) => Reflect.has(fill(target), name),
      ownKeys: (target) => Reflect.ownKeys(fill(target)),
      getOwnPropertyDescriptor: (target, name) =>
        Reflect.getOwnPropertyDescriptor(fill(target), name),
    }) as TokenStats;
  }
  const answers: RawAnswers[] = [];
  for (let layer = 0; layer < budget.layers; layer++) {
    for (const kind of words.kinds) {
      const bits: unknown[] = [];
      for (let head = 0; head < budget.kv_heads; head++) {
        const stats = lazyStats(() => question.stats(layer, kind, head));
        bits.push(policy.choose_bits(layer, kind, head, stats, budget));
      }
      const optional: Partial<Record<OptionalHook, unknown>> = {};
      for (const hook of words.hooks) {
        optional[hook] = hook === "bit_range"
          ? policy.bit_range?.(layer, kind, request, budget)
          : policy[hook]?.(layer, kind, request);
      }
      answers.push({
        layer,
        kind,
        bits,
        axis: policy.choose_axis(layer, kind),
        residual: policy.residual_length(layer, request),
        optional,
      });
    }
  }
  return answers;
}

/** Names of the statistics, in the order of the contract. */
export const STAT_NAMES = [
  "tokens",
  "min",
  "max",
  "mean",
  "std",
  "abs_max",
  "channel_range_mean",
  "channel_range_max",
  "token_range_mean",
  "token_range_max",
  "outlier_share",
  "attention_mass_recent",
  "attention_entropy",
] as const satisfies readonly (keyof TokenStats)[];
