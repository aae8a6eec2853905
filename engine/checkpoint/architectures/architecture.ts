/**
 * What one architecture has to say for the decoder graph to compute it.
 *
 * @module
 */
import type { ModuleNames } from "../../onnx/decoder.ts";
import type { JsonObject } from "../json_file.ts";

/** How the models of one `model_type` differ from the others'. */
export interface Architecture {
  /** Values of fields that a `config.json` leaves out. */
  readonly defaults: JsonObject;
  /** What its checkpoints call the modules. */
  readonly names: ModuleNames;
  /** Which projections have biases: yes, no, or what the field of this name says. */
  readonly biases: Readonly<
    Record<"attentionBias" | "outputBias" | "mlpBias", boolean | "attention_bias" | "mlp_bias">
  >;
  /** Whether every query and key head is normalised before RoPE. */
  readonly headNorms: boolean;
  /**
   * Layers whose attention `sliding_window` cuts: all, or, where `use_sliding_window` is true, those
   * from `max_window_layers` on.
   */
  readonly windowed: "all layers" | "upper layers";
}

/** The names that huggingface/transformers gives to the modules of most decoders. */
export const usualNames: ModuleNames = {
  embedding: "model.embed_tokens",
  layers: "model.layers",
  attentionNorm: "input_layernorm",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  output: "self_attn.o_proj",
  mlpNorm: "post_attention_layernorm",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
  finalNorm: "model.norm",
  head: "lm_head",
};
