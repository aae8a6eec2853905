/** Llama 2, 3 and 3.x (Grattafiori et al., 2024, arXiv 2407.21783), and SmolLM2 among others. */
import { type Architecture, usualNames } from "./architecture.ts";

export const llama = {
  source: "huggingface/transformers, models/llama",
  defaults: { max_position_embeddings: 2048 },
  names: usualNames,
  biases: { attentionBias: "attention_bias", outputBias: "attention_bias", mlpBias: "mlp_bias" },
  headNorms: false,
  windowed: "all layers",
} as const satisfies Architecture;
