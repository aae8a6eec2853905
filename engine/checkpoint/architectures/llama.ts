/**
 * Llama 2 and 3, and what is built like them, SmolLM2 for one (Touvron et al., 2023, arXiv 2307.09288;
 * huggingface/transformers, models/llama).
 *
 * @module
 */
import { type Architecture, usualNames } from "./architecture.ts";

/** `model_type: "llama"`. */
export const llama: Architecture = {
  defaults: { max_position_embeddings: 2048 },
  names: usualNames,
  biases: { attentionBias: "attention_bias", outputBias: "attention_bias", mlpBias: "mlp_bias" },
  headNorms: false,
  windowed: "all layers",
};
