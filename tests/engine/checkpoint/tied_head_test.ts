import { assertEquals } from "@std/assert";
import type { StoredTensor } from "../../../engine/checkpoint/checkpoint.ts";
import { readConfig } from "../../../engine/checkpoint/config.ts";
import { withStoredHead } from "../../../engine/checkpoint/tied_head.ts";

const config = readConfig({
  ...{ model_type: "qwen2", hidden_size: 2, num_hidden_layers: 1, num_attention_heads: 1 },
  ...{ num_key_value_heads: 1, intermediate_size: 2, vocab_size: 2, tie_word_embeddings: true },
}, "config.json");

const tensor = (dtype: "F32" | "F16", values: number[]): StoredTensor => {
  const bytes = new Uint8Array(
    (dtype === "F32" ? new Float32Array(values) : new Float16Array(values)).buffer,
  );
  return {
    ...{ path: "model.safetensors", dtype, shape: [2, values.length / 2] },
    storedBytes: bytes.length,
    // Blocks take turns in one piece of memory.
    async *blocks() {
      const block = new Uint8Array(4);
      for (let at = 0; at < bytes.length; at += 4) {
        block.set(bytes.subarray(at, at + 4));
        yield await Promise.resolve(block);
      }
    },
    restore: () => {
      throw new Error("restored");
    },
  };
};

Deno.test("a stored head is tied to the embedding exactly when it is stored as the same bytes", async () => {
  const embedding = tensor("F32", [1, 2, 3, 4]);
  const heads: [StoredTensor | undefined, boolean][] = [
    [undefined, true],
    [tensor("F32", [1, 2, 3, 4]), true],
    [tensor("F16", [1, 2, 3, 4]), false],
    [tensor("F32", [3, 4, 1, 2]), false],
    [tensor("F32", [1, 2]), false],
  ];
  for (const [head, tied] of heads) {
    const tensors = new Map([["model.embed_tokens.weight", embedding]]);
    if (head !== undefined) tensors.set("lm_head.weight", head);
    assertEquals((await withStoredHead(config, { tensors })).tiedEmbeddings, tied);
  }
});

Deno.test("a head that is not said to be tied stays as it is", async () => {
  const same = tensor("F32", [1, 2, 3, 4]);
  const tensors = new Map([["model.embed_tokens.weight", same], ["lm_head.weight", same]]);
  const untied = { ...config, tiedEmbeddings: false };
  assertEquals(await withStoredHead(untied, { tensors }), untied);
});
