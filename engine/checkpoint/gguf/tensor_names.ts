/**
 * What a GGUF file calls the tensors of a decoder (ggml-org/ggml, docs/gguf.md, "Standardized tensor
 * names"), and what huggingface/transformers calls them.
 *
 * @module
 */

/** Names outside the layers. */
const outer: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/** Names within a layer. */
const inner: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

/** The token embedding. */
export const EMBEDDING = "token_embd.weight";

/** Divisors of the rotary frequencies, which are no tensor of a Hugging Face checkpoint. */
export const ROPE_FACTORS = "rope_freqs.weight";

/**
 * The Hugging Face name of a tensor; a name that is not known stays as it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { huggingFaceName } from "./tensor_names.ts";
 *
 * assertEquals(huggingFaceName("blk.3.attn_q.bias"), "model.layers.3.self_attn.q_proj.bias");
 * assertEquals(huggingFaceName("output.weight"), "lm_head.weight");
 * ```
 */
export function huggingFaceName(name: string): string {
  const [, layer, part = "", kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const known = layer === undefined ? outer : inner;
  if (!Object.hasOwn(known, part)) return name;
  return layer === undefined
    ? `${known[part]}.${kind}`
    : `model.layers.${layer}.${known[part]}.${kind}`;
}
