import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../errors.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import type { ModelSize } from "../../../engine/checkpoint/model_size.ts";
import { findModel } from "../../../engine/checkpoint/resolve.ts";
import { plainRotary } from "../../../engine/rotary.ts";
import { editJson, modelCopy, safetensorsBytes } from "./temporary_folder.ts";

Deno.test("the embedded models are found by name and differ", async () => {
  const mini = await loadModel((await findModel("mini")).path);
  const outlier = await loadModel((await findModel("mini-outlier")).path);
  assertEquals(mini.shape, {
    layers: 8,
    hidden: 256,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 64,
    vocab: 2048,
    maxPositions: 8192,
    rotary: plainRotary(64, 100000),
  });
  assertEquals(outlier.shape, mini.shape);
  assertEquals(mini.eosIds, [2, 0]);
  assertNotEquals(outlier.hash, mini.hash);
  assertEquals((await loadModel((await findModel("mini")).path)).hash, mini.hash);
});

Deno.test("a path is a model folder, anything else is an unknown model", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  assertEquals((await findModel(copy.path)).path, copy.path);
  await assertRejects(
    () => findModel("maxi"),
    UserError,
    'Unknown model "maxi": use mini, mini-outlier, the path of a model folder or GGUF file, or the name of a model on the hub',
  );
});

Deno.test("a sharded model: end token by name, output head of its own", async () => {
  await using copy = await modelCopy("sharded-bf16");
  const model = await loadModel(copy.path);
  assertEquals(model.eosIds, [258]);
  assert(!model.config.tiedEmbeddings);
  assertEquals(model.tensors.get("lm_head.weight")!.shape, [264, 24]);
  assertEquals(
    model.renderChat([{ role: "user", content: "hi" }]),
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
  );
});

Deno.test("a template file comes before the tokenizer's", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  await editJson(`${copy.path}/tokenizer_config.json`, (json) => json.chat_template = "other");
  const { renderChat } = await loadModel(copy.path);
  assertEquals(renderChat([{ role: "system", content: "s" }]).slice(0, 14), "<|im_start|>sy");
});

Deno.test("of several templates the default one is taken, and tokens may be objects", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  await Deno.remove(`${copy.path}/chat_template.jinja`);
  await editJson(`${copy.path}/tokenizer_config.json`, (json) => {
    json.chat_template = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "{{ eos_token }}{{ messages[0].content }}" },
    ];
  });
  const { renderChat } = await loadModel(copy.path);
  assertEquals(renderChat([{ role: "user", content: "hi" }]), "<|im_end|>hi");
});

Deno.test("the hash covers every file that decides an answer", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  const hashes = new Set([(await loadModel(copy.path)).hash]);
  const edits: [string, (json: Record<string, unknown>) => void][] = [
    ["config.json", (json) => json.rope_theta = 20000],
    ["generation_config.json", (json) => json.eos_token_id = [258, 256]],
    ["tokenizer_config.json", (json) => json.model_max_length = 64],
  ];
  for (const [file, change] of edits) {
    await editJson(`${copy.path}/${file}`, change);
    hashes.add((await loadModel(copy.path)).hash);
  }
  const weights = await Deno.readFile(`${copy.path}/model.safetensors`);
  weights[weights.length - 1]! ^= 1;
  await Deno.writeFile(`${copy.path}/model.safetensors`, weights);
  hashes.add((await loadModel(copy.path)).hash);
  assertEquals(hashes.size, 5);
});

type Spoil = (path: string) => Promise<void>;

const remove = (file: string): Spoil => (path) => Deno.remove(`${path}/${file}`);
const write = (file: string, text: string): Spoil => (path) =>
  Deno.writeTextFile(`${path}/${file}`, text);
// deno-lint-ignore no-explicit-any
const edit = (file: string, change: (json: any) => void): Spoil => (path) =>
  editJson(`${path}/${file}`, change);
const INDEX = "model.safetensors.index.json";
const [FIRST, THIRD] = ["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"];

/** A shard with one tensor that the index does not list. */
const strayShard = (name: string): Spoil => async (path) => {
  const header = { [name]: { dtype: "F16", shape: [1], data_offsets: [0, 2] } };
  const bytes = safetensorsBytes(JSON.stringify(header), new Uint8Array(2));
  await Deno.writeFile(`${path}/stray.safetensors`, bytes);
  await editJson(`${path}/${INDEX}`, (json) => json.weight_map[name] = "stray.safetensors");
};

Deno.test("a model without a template is prompted with the texts as they are", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  assertEquals((await loadModel(copy.path)).chatTemplate, true);
  await remove("chat_template.jinja")(copy.path);
  const turn = [{ role: "user", content: "hi" }] as const;
  const base = await loadModel(copy.path);
  assertEquals([base.chatTemplate, base.renderChat(turn)], [false, "hi"]);
  await edit("tokenizer.json", (json) => {
    json.post_processor = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<|im_end|>", type_id: 0 } }, {
        Sequence: { id: "A", type_id: 0 },
      }],
      special_tokens: {},
    };
  })(copy.path);
  assertEquals((await loadModel(copy.path)).renderChat(turn), "<|im_end|>hi");
});

Deno.test("the size is told before any weight is read, and may end the loading", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  const sizes: ModelSize[] = [];
  const { tensors } = await loadModel(copy.path, { announce: (size) => void sizes.push(size) });
  const counts = [...tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  assertEquals(sizes, [{
    parameters: counts.reduce((a, b) => a + b),
    tied: 264 * 16,
    formats: ["F16"],
  }]);
  const announce = () => {
    throw new UserError("Too large");
  };
  await assertRejects(() => loadModel(copy.path, { announce }), UserError, "Too large");
});

Deno.test("a broken folder is refused in one sentence", async (t) => {
  const cases: Record<string, ["sharded-bf16" | "wide-heads-f16", Spoil, string]> = {
    "no config": ["wide-heads-f16", remove("config.json"), "config.json does not exist"],
    "no tokenizer": ["wide-heads-f16", remove("tokenizer.json"), "tokenizer.json does not exist"],
    "no tokenizer settings": [
      "wide-heads-f16",
      remove("tokenizer_config.json"),
      "tokenizer_config.json does not exist",
    ],
    "no weights": [
      "wide-heads-f16",
      remove("model.safetensors"),
      "has no weights: neither model.safetensors nor model.safetensors.index.json is there",
    ],
    "a template that does not parse": [
      "wide-heads-f16",
      write("chat_template.jinja", "{% for %}"),
      "The chat template of",
    ],
    "config that is not JSON": ["wide-heads-f16", write("config.json", "{"), "is not valid JSON"],
    "config with a key twice": [
      "wide-heads-f16",
      write("config.json", '{"model_type": "qwen2", "model_type": "qwen2"}'),
      'config.json holds the key "model_type" twice',
    ],
    "another architecture": [
      "wide-heads-f16",
      edit("config.json", (json) => json.model_type = "gemma2"),
      'config.json: model_type is "gemma2"; supported is "llama" or "mistral" or "qwen2" or "qwen3"',
    ],
    "tokenizer that is not JSON": [
      "wide-heads-f16",
      write("tokenizer.json", "no"),
      "tokenizer.json is not valid JSON",
    ],
    "tokenizer without a model": [
      "wide-heads-f16",
      write("tokenizer.json", "{}"),
      "tokenizer.json has a model of type undefined; supported are BPE, Unigram, WordPiece",
    ],
    "tokenizer of an unknown kind": [
      "wide-heads-f16",
      edit("tokenizer.json", (json) => json.model = { type: "Magic", vocab: {} }),
      'tokenizer.json has a model of type "Magic"',
    ],
    "tokenizer without a vocabulary": [
      "wide-heads-f16",
      edit("tokenizer.json", (json) => json.model = { type: "BPE" }),
      "tokenizer.json cannot be used as a tokenizer",
    ],
    "a token beyond the vocabulary": [
      "wide-heads-f16",
      edit("tokenizer.json", (json) => json.added_tokens.push({ id: 264, content: "<|ctx|>" })),
      'tokenizer.json gives the token "<|ctx|>" the id 264; the model has 264 rows',
    ],
    "an unusable end token": [
      "wide-heads-f16",
      edit("generation_config.json", (json) => json.eos_token_id = "end"),
      'generation_config.json: eos_token_id must be a token id or a list of them, not "end"',
    ],
    "no end token": [
      "sharded-bf16",
      edit("tokenizer_config.json", (json) => delete json.eos_token),
      "names no end token",
    ],
    "a tensor of another shape": [
      "wide-heads-f16",
      edit("config.json", (json) => json.intermediate_size = 25),
      'the tensor "model.layers.0.mlp.gate_proj.weight" has shape [24, 16]; its config.json asks for [25, 16]',
    ],
    "a layer too few": [
      "wide-heads-f16",
      edit("config.json", (json) => json.num_hidden_layers = 3),
      'lacks the tensor "model.layers.2.input_layernorm.weight" of shape [16]',
    ],
    "a layer too many": [
      "wide-heads-f16",
      edit("config.json", (json) => json.num_hidden_layers = 1),
      "which is not part of the model that its config.json describes",
    ],
    "no output head": [
      "wide-heads-f16",
      edit("config.json", (json) => json.tie_word_embeddings = false),
      'lacks the tensor "lm_head.weight" of shape [264, 16]',
    ],
    "truncated weights": [
      "wide-heads-f16",
      (path) => Deno.truncate(`${path}/model.safetensors`, 60000),
      "model.safetensors is truncated",
    ],
    "a missing shard": [
      "sharded-bf16",
      remove(THIRD),
      `lacks the shard "${THIRD}" that ${INDEX} names`,
    ],
    "a tensor that its shard lacks": [
      "sharded-bf16",
      edit(INDEX, (json) => json.weight_map["model.norm.weight"] = FIRST),
      `says that the tensor "model.norm.weight" is in ${FIRST}, but it is not there`,
    ],
    "a tensor in two shards": [
      "sharded-bf16",
      strayShard("model.norm.weight"),
      'The tensor "model.norm.weight" is in both',
    ],
    "a tensor of another model": [
      "sharded-bf16",
      strayShard("model.layers.0.self_attn.o_proj.bias"),
      'has the tensor "model.layers.0.self_attn.o_proj.bias", which is not part of the model',
    ],
    "an index without a map": [
      "sharded-bf16",
      write(INDEX, "{}"),
      'must map tensors to shards in "weight_map"',
    ],
    "a shard outside the folder": [
      "sharded-bf16",
      edit(INDEX, (json) => json.weight_map["model.norm.weight"] = "../other.safetensors"),
      'puts the tensor "model.norm.weight" in "../other.safetensors"; the plain name of a .safetensors file is needed',
    ],
  };
  for (const [name, [model, spoil, sentence]] of Object.entries(cases)) {
    await t.step(name, async () => {
      await using copy = await modelCopy(model);
      await loadModel(copy.path);
      await spoil(copy.path);
      await assertRejects(() => loadModel(copy.path), UserError, sentence);
    });
  }
});

Deno.test("copies of the embedding and old rotary tables are passed over", async () => {
  await using copy = await modelCopy("sharded-bf16");
  const plain = await loadModel(copy.path);
  await strayShard("model.layers.0.self_attn.rotary_emb.inv_freq")(copy.path);
  assertEquals((await loadModel(copy.path)).hash, plain.hash);
});

Deno.test("a model that is missing, and a file that is none, are named", async () => {
  await assertRejects(
    () => loadModel("/nowhere/model"),
    UserError,
    "The model /nowhere/model does not exist",
  );
  await using copy = await modelCopy("wide-heads-f16");
  await assertRejects(
    () => loadModel(`${copy.path}/config.json`),
    UserError,
    "config.json is not a GGUF file: it starts with the bytes 7b",
  );
});

Deno.test("another folder may give the tokenizer and the template", async () => {
  await using own = await modelCopy("wide-heads-f16");
  await using other = await modelCopy("sharded-bf16");
  await Deno.remove(`${own.path}/tokenizer.json`);
  await editJson(`${other.path}/tokenizer_config.json`, (json) => json.chat_template = "other");
  const model = await loadModel(own.path, { tokenizer: other.path });
  assertEquals(model.renderChat([{ role: "user", content: "hi" }]), "other");
  assertEquals(model.tokenizer.id("<|im_end|>"), 258);
  await editJson(`${other.path}/tokenizer_config.json`, (json) => json.chat_template = "another");
  const { hash } = await loadModel(own.path, { tokenizer: other.path });
  assertNotEquals(hash, model.hash);
});
