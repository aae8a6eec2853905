import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../../errors.ts";
import { configOf, type TensorFacts } from "../../../../engine/checkpoint/gguf/config.ts";
import type { GgufValue } from "../../../../engine/checkpoint/gguf/header_cursor.ts";
import { readConfig } from "../../../../engine/checkpoint/config.ts";
import type { JsonObject } from "../../../../engine/checkpoint/json_file.ts";
import { Metadata } from "../../../../engine/checkpoint/gguf/metadata.ts";

type Values = Readonly<Record<string, GgufValue | undefined>>;

/** Keys of a model; `changes` are without the architecture. */
function metadata(architecture: string, changes: Values = {}): Metadata {
  const keys: Values = {
    context_length: 4096,
    embedding_length: 64,
    block_count: 3,
    feed_forward_length: 96,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.freq_base": 500000,
    ...changes,
  };
  const values = Object.entries(keys).filter(([, value]) => value !== undefined);
  return new Metadata(
    new Map<string, GgufValue>([
      ["general.architecture", architecture],
      ...values.map(([key, value]) => [`${architecture}.${key}`, value!] as const),
    ]),
    "m.gguf",
  );
}

const facts: TensorFacts = { has: () => false, count: 20, vocab: 512, ropeFactors: undefined };

Deno.test("every key becomes the field of config.json", () => {
  assertEquals(configOf(metadata("llama"), facts), {
    model_type: "llama",
    hidden_size: 64,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    intermediate_size: 96,
    vocab_size: 512,
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    rope_scaling: null,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
  });
});

Deno.test("heads of another width, biases, windows and heads of the output are told", () => {
  const config = configOf(
    metadata("qwen3", {
      "attention.key_length": 128,
      "attention.value_length": 128,
      "rope.dimension_count": 128,
      "attention.sliding_window": 1024,
      "attention.head_count_kv": [2, 2, 2],
    }),
    { ...facts, has: (name) => ["output.weight", "blk.0.attn_q.bias"].includes(name) },
  );
  assertEquals(config.model_type, "qwen3");
  assertEquals(config.head_dim, 128);
  assertEquals(config.num_key_value_heads, 2);
  assertEquals(config.attention_bias, true);
  assertEquals(config.tie_word_embeddings, false);
  assertEquals(config.use_sliding_window, true);
  assertEquals(config.sliding_window, 1024);
});

Deno.test("what a file leaves out has llama.cpp's defaults", () => {
  const config = configOf(
    metadata("qwen2", { "attention.head_count_kv": undefined, "rope.freq_base": undefined }),
    facts,
  );
  assertEquals(config.num_key_value_heads, 4);
  assertEquals(config.rope_theta, 10000);
});

Deno.test("scaled positions are told", () => {
  const scaling = (changes: Values, ropeFactors?: readonly number[]) =>
    configOf(metadata("llama", changes), { ...facts, ropeFactors }).rope_scaling;
  assertEquals(scaling({ "rope.scaling.type": "none", "rope.scaling.factor": 2 }), null);
  assertEquals(scaling({ "rope.scaling.type": "linear", "rope.scaling.factor": 2 }), {
    rope_type: "linear",
    factor: 2,
  });
  assertEquals(scaling({ "rope.scale_linear": 4 }), { rope_type: "linear", factor: 4 });
  assertEquals(
    scaling({
      "rope.scaling.type": "yarn",
      "rope.scaling.factor": 4,
      "rope.scaling.original_context_length": 32768,
    }),
    {
      rope_type: "yarn",
      factor: 4,
      original_max_position_embeddings: 32768,
      beta_fast: 32,
      beta_slow: 1,
      attention_factor: 0.1 * Math.log(4) + 1,
    },
  );
  const factors = [1, 1, 1, 1, 1.2, 8, 8, 8];
  assertThrows(
    () => scaling({}, factors),
    UserError,
    'In m.gguf the factors of "rope_freqs.weight" are not those of Llama 3.1 and later',
  );
  assertThrows(() => scaling({}, [8, 8]), UserError, "are not those of Llama 3.1");
});

Deno.test("positions are computed as from the config.json of the same model", async () => {
  const [, , { head_dim, theta, factor, original, factors }] = JSON.parse(
    await Deno.readTextFile(new URL("../../../golden/gguf/rope_factors.json", import.meta.url)),
  );
  const yarn = { factor: 4, original_context_length: 64, type: "yarn" } as const;
  const scaled = (scaling: Values) =>
    Object.fromEntries(Object.entries(scaling).map(([key, v]) => [`rope.scaling.${key}`, v]));
  const cases: [string, Values, readonly number[] | undefined, JsonObject][] = [
    ["llama", {}, undefined, {}],
    ["llama", { "rope.freq_base": theta }, factors, {
      rope_type: "llama3",
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: original,
    }],
    ["llama", scaled({ type: "linear", factor: 2 }), undefined, { rope_type: "linear", factor: 2 }],
    ["qwen2", scaled(yarn), undefined, {
      rope_type: "yarn",
      factor: 4,
      original_max_position_embeddings: 64,
    }],
    ["qwen3", { "attention.key_length": 32 }, undefined, {}],
  ];
  for (const [model_type, changes, ropeFactors, rope] of cases) {
    const json = configOf(metadata(model_type, changes), { ...facts, ropeFactors });
    const shape = readConfig(json, "m.gguf").shape;
    assertEquals(
      shape,
      readConfig({
        model_type,
        hidden_size: 64,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: model_type === "qwen3" ? 32 : head_dim,
        intermediate_size: 96,
        vocab_size: 512,
        max_position_embeddings: 4096,
        rope_parameters: { rope_theta: theta, ...rope },
      }, "config.json").shape,
    );
  }
});

Deno.test("what no config.json can say is refused in one sentence", () => {
  const cases: [string, Values, string][] = [
    [
      "gemma3",
      {},
      'm.gguf: "general.architecture" is "gemma3"; those that are known are llama, qwen2, qwen3',
    ],
    ["llama", { embedding_length: undefined }, 'm.gguf lacks "llama.embedding_length"'],
    [
      "llama",
      { "attention.head_count": [4, 4, 8] },
      '"llama.attention.head_count" is [4,4,8]; it must be a whole number from 0 on, the same for every layer',
    ],
    [
      "llama",
      { block_count: 4_000_000_000 },
      '"llama.block_count" is 4000000000; it must be 20 at most, the number of tensors',
    ],
    [
      "llama",
      { context_length: 4_000_000_000 },
      '"llama.context_length" is 4000000000; it must be 16777216 at most',
    ],
    [
      "llama",
      { "attention.head_count": 3 },
      '"llama.embedding_length" is 64; it must be a multiple of "llama.attention.head_count", 3',
    ],
    [
      "llama",
      { "attention.head_count": 0 },
      'must be a multiple of "llama.attention.head_count", 0',
    ],
    [
      "llama",
      { "attention.value_length": 32 },
      '"llama.attention.value_length" is 32; it must be 16, the width of the keys',
    ],
    [
      "llama",
      { "rope.dimension_count": 8 },
      '"llama.rope.dimension_count" is 8; it must be 16, the width of a head, all of which is rotated',
    ],
    [
      "llama",
      { expert_count: 8 },
      '"llama.expert_count" is 8; it must be 0, because mixtures of experts are not computed',
    ],
    [
      "llama",
      { "rope.scaling.type": "longrope" },
      '"llama.rope.scaling.type" is "longrope"; those that are known are none, linear, yarn',
    ],
    [
      "qwen2",
      { "rope.scaling.type": "yarn", "rope.scaling.yarn_log_multiplier": 0.1 },
      '"qwen2.rope.scaling.yarn_log_multiplier" is 0.1; only 0 is known',
    ],
    [
      "qwen2",
      { "rope.scaling.type": "yarn", "rope.scaling.factor": 4 },
      'm.gguf lacks "qwen2.rope.scaling.original_context_length"',
    ],
  ];
  for (const [architecture, changes, sentence] of cases) {
    assertThrows(() => configOf(metadata(architecture, changes), facts), UserError, sentence);
  }
});
