/** Qwen3 (Yang et al., 2025, arXiv 2505.09388). */
import { type Architecture, usualNames } from "./architecture.ts";

export const qwen3 = {
  source: "huggingface/transformers, models/qwen3",
  defaults: {
    head_dim: 128,
    max_position_embeddings: 32768,
    num_key_value_heads: 32,
    use_sliding_window: false,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  names: usualNames,
  biases: { attentionBias: "attention_bias", outputBias: "attention_bias", mlpBias: false },
  headNorms: true,
  windowed: "upper layers",
} as const satisfies Architecture;
