/**
 * Qwen3, dense (Yang et al., 2025, arXiv 2505.09388; huggingface/transformers, models/qwen3).
 *
 * @module
 */
import { type Architecture, usualNames } from "./architecture.ts";

/** `model_type: "qwen3"`. */
export const qwen3: Architecture = {
  defaults: {
    head_dim: 128,
    max_position_embeddings: 32768,
    num_key_value_heads: 32,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  names: usualNames,
  biases: { attentionBias: "attention_bias", outputBias: "attention_bias", mlpBias: false },
  headNorms: true,
  windowed: "upper layers",
};
