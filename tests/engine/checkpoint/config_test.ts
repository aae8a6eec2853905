import { assertEquals, assertThrows } from "@std/assert";
import { modelTypes } from "../../../engine/checkpoint/architectures/registry.ts";
import { readConfig, readEosIds } from "../../../engine/checkpoint/config.ts";
import { UserError } from "../../../errors.ts";
import { plainRotary } from "../../../engine/rotary.ts";

const base = {
  model_type: "qwen2",
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 96,
  vocab_size: 128,
};

Deno.test("absent fields have Transformers' defaults", () => {
  const { parts, ...config } = readConfig(base, "config.json");
  assertEquals(config, {
    shape: {
      layers: 2,
      hidden: 64,
      queryHeads: 4,
      kvHeads: 2,
      headDim: 16,
      vocab: 128,
      maxPositions: 32768,
      rotary: plainRotary(16, 10000),
    },
    intermediate: 96,
    rmsNormEps: 1e-6,
    tiedEmbeddings: false,
    eosIds: [],
  });
  assertEquals([parts.attentionBias, parts.outputBias, parts.mlpBias], [true, false, false]);
  const { num_key_value_heads: _, ...rest } = {
    ...base,
    num_attention_heads: 32,
    hidden_size: 512,
  };
  const sizes = (json: Record<string, unknown>) => {
    const { kvHeads, headDim, maxPositions } = readConfig({ ...rest, ...json }, "c").shape;
    return [kvHeads, headDim, maxPositions];
  };
  assertEquals(sizes({ model_type: "llama" }), [32, 16, 2048]);
  assertEquals(sizes({ model_type: "mistral", sliding_window: null }), [8, 16, 131072]);
  assertEquals(sizes({ model_type: "qwen3" }), [32, 128, 32768]);
  assertEquals(sizes({ model_type: "mistral", sliding_window: null, num_key_value_heads: null }), [
    32,
    16,
    131072,
  ]);
});

Deno.test("head_dim may differ from hidden_size / num_attention_heads", () => {
  assertEquals(readConfig({ ...base, head_dim: 128 }, "c").shape.headDim, 128);
});

Deno.test("biases and norms are those of the architecture, or what its fields say", () => {
  const parts = (json: Record<string, unknown>) => {
    const config = readConfig({ ...base, sliding_window: null, ...json }, "c");
    const { attentionBias, outputBias, mlpBias, headNorms } = config.parts;
    return [attentionBias, outputBias, mlpBias, headNorms].map(Number).join("");
  };
  assertEquals(parts({ model_type: "llama" }), "0000");
  assertEquals(parts({ model_type: "llama", attention_bias: true }), "1100");
  assertEquals(parts({ model_type: "llama", mlp_bias: true }), "0010");
  assertEquals(parts({ model_type: "mistral" }), "0000");
  assertEquals(parts({ model_type: "qwen2" }), "1000");
  assertEquals(parts({ model_type: "qwen3" }), "0001");
  assertEquals(parts({ model_type: "qwen3", attention_bias: true }), "1101");
});

Deno.test("a sliding window is refused only where it hides something", () => {
  const mistral = { model_type: "mistral", max_position_embeddings: 8192 };
  const qwen = { model_type: "qwen3", use_sliding_window: true, sliding_window: 4096 };
  const harmless: Record<string, unknown>[] = [
    { ...mistral, sliding_window: null },
    { ...mistral, sliding_window: 8192 },
    { ...qwen, use_sliding_window: false },
    { ...qwen, sliding_window: null },
    { ...qwen, sliding_window: 32768 },
    { ...qwen, max_window_layers: 2 },
    { ...qwen, max_window_layers: 0, layer_types: ["full_attention", "full_attention"] },
  ];
  for (const json of harmless) readConfig({ ...base, ...json }, "c");
  const wrong: [Record<string, unknown>, string][] = [
    [mistral, "c: sliding_window is 4096; supported is null, or no less than the context of 8192"],
    [{ ...mistral, sliding_window: 8191 }, "c: sliding_window is 8191; supported is null, or no"],
    [{ ...mistral, use_sliding_window: false }, "c: sliding_window is 4096"],
    [{ model_type: "llama", sliding_window: 1024 }, "no less than the context of 2048"],
    [{ ...qwen, max_window_layers: 1 }, "no less than the context of 32768"],
    [{ ...qwen, max_window_layers: 0 }, "c: sliding_window is 4096"],
    [{ ...qwen, use_sliding_window: "yes" }, 'use_sliding_window is "yes"'],
    [{ layer_types: ["full_attention", "sliding_attention"] }, '"sliding_attention"'],
    [{ layer_types: 3 }, 'must all be "full_attention", not 3'],
  ];
  for (const [json, sentence] of wrong) {
    assertThrows(() => readConfig({ ...base, ...json }, "c"), UserError, sentence);
  }
});

Deno.test("what the graph does not compute is refused", () => {
  const cases: [Record<string, unknown>, string][] = [
    [
      { model_type: "gemma2" },
      'c: model_type is "gemma2"; supported is "llama" or "mistral" or "qwen2" or "qwen3"',
    ],
    [{ model_type: undefined }, 'c lacks the field "model_type"'],
    [{ model_type: "constructor" }, 'c: model_type is "constructor"'],
    [{ hidden_act: "gelu" }, 'c: hidden_act is "gelu"; supported is "silu" or "swish"'],
    [
      { quantization_config: { quant_method: "gptq", bits: 4 } },
      'c: quantization_config names the method "gptq"; supported are weights in float32',
    ],
    [{ rope_parameters: { rope_type: "longrope" } }, 'c, rope_parameters: rope_type is "longrope"'],
    [{ is_causal: false }, "c: is_causal is false; supported is true"],
    [{ final_logit_softcapping: 30 }, "c: final_logit_softcapping is 30; supported is null"],
    [{ logit_scale: 0.5 }, "c: logit_scale is 0.5; supported is 1"],
    [{ mlp_bias: true }, "c: mlp_bias is true; supported is false"],
    [
      { model_type: "mistral", sliding_window: null, attention_bias: true },
      "c: attention_bias is true; supported is false",
    ],
    [
      { model_type: "llama", attention_bias: "qkv" },
      'attention_bias is "qkv"; supported is true or',
    ],
    [{ hidden_size: undefined }, 'lacks the field "hidden_size"'],
    [{ hidden_size: "64" }, 'hidden_size is "64"; supported is a positive integer'],
    [{ num_hidden_layers: 0 }, "num_hidden_layers is 0"],
    [{ vocab_size: 1.5 }, "vocab_size is 1.5"],
    [
      { num_hidden_layers: 1e9 },
      "num_hidden_layers is 1000000000; supported is a positive integer up to 1024",
    ],
    [{ max_position_embeddings: 2 ** 53 }, "max_position_embeddings is 9007199254740992"],
    [{ max_position_embeddings: 2 ** 40 }, "supported is a positive integer up to 4194304"],
    [
      {
        max_position_embeddings: 32768,
        rope_scaling: { rope_type: "yarn", factor: 1e6, original_max_position_embeddings: 32768 },
      },
      "scaled rotary positions give 32768000000 of them; supported are up to 4194304",
    ],
    [{ num_key_value_heads: 3 }, "num_attention_heads (4) must be a multiple of"],
    [{ hidden_size: 66 }, "head_dim is 16.5"],
    [{ head_dim: 7 }, "head_dim must be even, not 7"],
    [{ rms_norm_eps: -1 }, "rms_norm_eps is -1; supported is a positive number"],
    [{ tie_word_embeddings: "yes" }, 'tie_word_embeddings is "yes"; supported is true or false'],
  ];
  for (const [change, sentence] of cases) {
    assertThrows(() => readConfig({ ...base, ...change }, "c"), UserError, sentence);
  }
  for (const model_type of modelTypes) {
    readConfig({ ...base, model_type, sliding_window: null, pretraining_tp: 2 }, "c");
  }
});

Deno.test("end tokens are a number, a list or nothing", () => {
  assertEquals(readEosIds({ eos_token_id: 2 }, "g"), [2]);
  assertEquals(readEosIds({ eos_token_id: [2, 0] }, "g"), [2, 0]);
  assertEquals(readEosIds({ eos_token_id: null }, "g"), undefined);
  assertEquals(readEosIds({}, "g"), undefined);
  for (const wrong of ["2", [], [1.5], -1, [null]]) {
    assertThrows(() => readEosIds({ eos_token_id: wrong }, "g"), UserError, "g: eos_token_id");
  }
});
