/**
 * Mistral 7B and its successors (Jiang et al., 2023, arXiv 2310.06825; huggingface/transformers,
 * models/mistral).
 *
 * @module
 */
import { type Architecture, usualNames } from "./architecture.ts";

/** `model_type: "mistral"`. */
export const mistral: Architecture = {
  defaults: { max_position_embeddings: 131072, num_key_value_heads: 8, sliding_window: 4096 },
  names: usualNames,
  biases: { attentionBias: false, outputBias: false, mlpBias: false },
  headNorms: false,
  windowed: "all layers",
};
