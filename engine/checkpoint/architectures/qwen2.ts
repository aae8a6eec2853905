/**
 * Qwen2 and Qwen2.5 (Yang et al., 2024, arXiv 2407.10671; huggingface/transformers, models/qwen2).
 *
 * @module
 */
import { type Architecture, usualNames } from "./architecture.ts";

/** `model_type: "qwen2"`. */
export const qwen2: Architecture = {
  defaults: {
    max_position_embeddings: 32768,
    num_key_value_heads: 32,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  names: usualNames,
  biases: { attentionBias: true, outputBias: false, mlpBias: false },
  headNorms: false,
  windowed: "upper layers",
};
