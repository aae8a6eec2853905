import type { StepQuestion } from "../policies/ask.ts";
import type { RequestMeta } from "../policies/policy.ts";
import type { Engine } from "../engine/engine.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { StatsSource } from "./token_stats.ts";

/** What the questions of an example have in common. */
export interface Questions<T extends KvShape> {
  readonly engine: Pick<Engine<T>, "shape">;
  readonly request: Omit<RequestMeta, "cache_tokens" | "prompt_tokens">;
  readonly budgetBits: number;
  readonly reference: { readonly prompt: readonly number[] };
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
    budget: {
      budget_bits: budgetBits,
      used_bits: used,
      remaining_bits: budgetBits - used,
      step,
      total_steps: null,
      layers: engine.shape.layers,
      kv_heads: engine.shape.kvHeads,
      head_dim: engine.shape.headDim,
    },
    request: { ...request, prompt_tokens: reference.prompt.length, cache_tokens: tokens },
    stats: (layer, kind, head) => stats.at(layer, kind, head, tokens),
  };
}
