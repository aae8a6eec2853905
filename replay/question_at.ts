import type { StepQuestion } from "../policies/ask.ts";
import type { BudgetState, RequestMeta, WorkloadMeta } from "../policies/policy.ts";
import type { Engine, ModelShape } from "../engine/engine.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { StatsSource } from "./token_stats.ts";

/** What the questions of an example have in common. */
export interface Questions<T extends KvShape> {
  readonly engine: Pick<Engine<T>, "shape">;
  readonly request: Omit<RequestMeta, "cache_tokens" | "prompt_tokens">;
  readonly budgetBits: number;
  readonly reference: { readonly prompt: readonly number[] };
}

/** Sizes of the model, as a policy is told them. */
export function modelMeta(shape: Omit<ModelShape, "rotary">): WorkloadMeta["model"] {
  return {
    layers: shape.layers,
    query_heads: shape.queryHeads,
    kv_heads: shape.kvHeads,
    head_dim: shape.headDim,
    hidden_size: shape.hidden,
    vocab_size: shape.vocab,
  };
}

/**
 * The budget at a step; the first when nothing else is said.
 *
 * @param used average stored bits so far
 */
export function budgetAt(
  { layers, kvHeads, headDim }: Pick<ModelShape, "layers" | "kvHeads" | "headDim">,
  budgetBits: number,
  step = 0,
  used = 0,
): BudgetState {
  return {
    budget_bits: budgetBits,
    used_bits: used,
    remaining_bits: budgetBits - used,
    step,
    total_steps: null,
    layers,
    kv_heads: kvHeads,
    head_dim: headDim,
  };
}

/**
 * What a policy is asked at a step.
 *
 * @param used average stored bits so far
 * @param tokens in the cache
 */
export function questionAt<T extends KvShape>(
  { engine, budgetBits, request, reference }: Questions<T>,
  stats: StatsSource<T>,
  used: number,
  step: number,
  tokens: number,
): StepQuestion {
  return {
    budget: budgetAt(engine.shape, budgetBits, step, used),
    request: { ...request, prompt_tokens: reference.prompt.length, cache_tokens: tokens },
    stats: (layer, kind, head) => stats.at(layer, kind, head, tokens),
  };
}
