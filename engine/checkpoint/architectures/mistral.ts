/** Mistral 7B and its successors (Jiang et al., 2023, arXiv 2310.06825). */
import { type Architecture, usualNames } from "./architecture.ts";

export const mistral = {
  source: "huggingface/transformers, models/mistral",
  defaults: { max_position_embeddings: 131072, num_key_value_heads: 8, sliding_window: 4096 },
  names: usualNames,
  biases: { attentionBias: false, outputBias: false, mlpBias: false },
  headNorms: false,
  windowed: "all layers",
} as const satisfies Architecture;
