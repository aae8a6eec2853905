/**
 * Questions as the replay of the mini model puts them.
 *
 * @module
 */
import type { StepQuestion } from "../../policies/ask.ts";

/** The question of one step of an example with 1,500 prompt tokens. */
export function miniQuestion(step: number): StepQuestion {
  return {
    budget: {
      budget_bits: 4,
      used_bits: step === 0 ? 0 : 5.549,
      remaining_bits: step === 0 ? 4 : -1.549,
      step,
      total_steps: null,
      layers: 8,
      kv_heads: 2,
      head_dim: 64,
    },
    request: {
      slice: "longbench",
      dataset: "hotpotqa",
      prompt_tokens: 1500,
      cache_tokens: 1499 + step,
      max_new_tokens: 24,
    },
    // Any numbers do, as long as they differ between layers, kinds, heads and steps.
    stats: (layer, kind, head) => {
      const x = Math.sin(1 + step + 10 * layer + 100 * head + (kind === "key" ? 0 : 1000));
      return {
        tokens: 1499 + step,
        min: -8 - x,
        max: 8 + x,
        mean: x / 100,
        std: 1 + x / 10,
        abs_max: 8 + Math.abs(x),
        channel_range_mean: 6 + x,
        channel_range_max: 12 + x,
        token_range_mean: 7 + x,
        token_range_max: 14 + x,
        outlier_share: Math.abs(x) / 1000,
        attention_mass_recent: null,
        attention_entropy: null,
      };
    },
  };
}
