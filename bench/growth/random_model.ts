/**
 * A model of random weights and of any number of layers, in a folder of its own: what a replay costs
 * does not depend on what the weights are.
 *
 * @module
 */
import { join } from "node:path";
import { readConfig } from "../../engine/checkpoint/config.ts";
import { tensorShapes } from "../../engine/checkpoint/tensor_names.ts";
import { randomSource } from "../../quant/numerics/random.ts";

/** One head of `mini`'s width, so that prompts of 32k are prefilled in seconds. */
const CONFIG = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  hidden_size: 64,
  num_attention_heads: 1,
  num_key_value_heads: 1,
  head_dim: 64,
  intermediate_size: 128,
  vocab_size: 2048,
  max_position_embeddings: 2 ** 16,
  rope_theta: 100000,
  rms_norm_eps: 1e-6,
  hidden_act: "silu",
  tie_word_embeddings: true,
  eos_token_id: 2,
};

/**
 * Writes such a model, in float32 and with the tokenizer of `mini`.
 *
 * @param folder an empty one
 */
export async function writeRandomModel(folder: string, layers: number): Promise<void> {
  const json = { ...CONFIG, num_hidden_layers: layers };
  const config = readConfig(json, folder);
  const header: Record<string, unknown> = {};
  const tensors: Float32Array<ArrayBuffer>[] = [];
  const random = randomSource(1);
  let at = 0;
  for (const [name, shape] of tensorShapes(config)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const norm = name.endsWith("norm.weight");
    const values = Float32Array.from(
      { length: count },
      () => norm ? 1 : (random.below(2 ** 16) / 2 ** 15 - 1) / 8,
    );
    header[name] = { dtype: "F32", shape, data_offsets: [at, at += values.byteLength] };
    tensors.push(values);
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new BigUint64Array([BigInt(text.length)]);
  await Deno.writeFile(
    join(folder, "model.safetensors"),
    new Uint8Array(await new Blob([length, text, ...tensors]).arrayBuffer()),
  );
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(json));
  const mini = new URL("../../models/mini/", import.meta.url);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(new URL(name, mini), join(folder, name));
  }
}
