/**
 * Names and shapes of the tensors of a Qwen2 checkpoint, as huggingface/transformers saves them
 * (`models/qwen2/modeling_qwen2.py`).
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";

/** Every tensor of the model, by name. Matrices are `[out, in]`. */
export function tensorShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  const { intermediate, shape: { hidden, vocab, headDim, queryHeads, kvHeads, layers } } = config;
  const queryWidth = queryHeads * headDim;
  const kvWidth = kvHeads * headDim;
  const shapes: [string, readonly number[]][] = [
    ["model.embed_tokens.weight", [vocab, hidden]],
    ["model.norm.weight", [hidden]],
  ];
  if (!config.tiedEmbeddings) shapes.push(["lm_head.weight", [vocab, hidden]]);
  for (let l = 0; l < layers; l++) {
    const layer: [string, readonly number[]][] = [
      ["input_layernorm.weight", [hidden]],
      ["self_attn.q_proj.weight", [queryWidth, hidden]],
      ["self_attn.q_proj.bias", [queryWidth]],
      ["self_attn.k_proj.weight", [kvWidth, hidden]],
      ["self_attn.k_proj.bias", [kvWidth]],
      ["self_attn.v_proj.weight", [kvWidth, hidden]],
      ["self_attn.v_proj.bias", [kvWidth]],
      ["self_attn.o_proj.weight", [hidden, queryWidth]],
      ["post_attention_layernorm.weight", [hidden]],
      ["mlp.gate_proj.weight", [intermediate, hidden]],
      ["mlp.up_proj.weight", [intermediate, hidden]],
      ["mlp.down_proj.weight", [hidden, intermediate]],
    ];
    for (const [name, dims] of layer) shapes.push([`model.layers.${l}.${name}`, dims]);
  }
  return new Map(shapes);
}

/** Tensors that some checkpoints hold and the model does without: copies and tables. */
export function isRedundantTensor(name: string, config: ModelConfig): boolean {
  return (config.tiedEmbeddings && name === "lm_head.weight") ||
    name.endsWith(".rotary_emb.inv_freq");
}
