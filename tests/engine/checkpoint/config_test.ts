import { assertEquals, assertThrows } from "@std/assert";
import { readConfig, readEosIds } from "../../../engine/checkpoint/config.ts";
import { UserError } from "../../../errors.ts";

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
  assertEquals(readConfig(base, "config.json"), {
    shape: {
      layers: 2,
      hidden: 64,
      queryHeads: 4,
      kvHeads: 2,
      headDim: 16,
      vocab: 128,
      maxPositions: 32768,
      ropeTheta: 10000,
    },
    intermediate: 96,
    rmsNormEps: 1e-6,
    tiedEmbeddings: false,
    eosIds: [],
  });
});

Deno.test("head_dim may differ from hidden_size / num_attention_heads", () => {
  assertEquals(readConfig({ ...base, head_dim: 128 }, "c").shape.headDim, 128);
});

Deno.test("the rotary base is read wherever Transformers writes it", () => {
  const theta = (json: Record<string, unknown>) =>
    readConfig({ ...base, ...json }, "c").shape.ropeTheta;
  assertEquals(theta({ rope_theta: 1e6 }), 1e6);
  assertEquals(theta({ rope_parameters: { rope_theta: 5e5, rope_type: "default" } }), 5e5);
  assertEquals(theta({ rope_scaling: { rope_theta: 4e5, type: "default" } }), 4e5);
  assertEquals(theta({ rope_theta: 1e6, rope_scaling: null }), 1e6);
  assertEquals(theta({ rope_theta: 1e6, rope_parameters: { rope_type: "default" } }), 1e6);
});

Deno.test("what the graph does not compute is refused", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ model_type: "llama" }, 'c: model_type is "llama"; supported is "qwen2"'],
    [{ model_type: undefined }, 'c lacks the field "model_type"'],
    [{ hidden_act: "gelu" }, 'c: hidden_act is "gelu"; supported is "silu"'],
    [{ use_sliding_window: true }, "c: use_sliding_window is true; supported is false"],
    [{ layer_types: ["full_attention", "sliding_attention"] }, '"sliding_attention"'],
    [{ layer_types: 3 }, 'must all be "full_attention", not 3'],
    [
      { rope_scaling: { type: "yarn", factor: 4 } },
      'c, rope_scaling: type is "yarn"; supported is "default"',
    ],
    [{ rope_parameters: { rope_type: "linear" } }, 'c, rope_parameters: rope_type is "linear"'],
    [{ rope_parameters: [] }, "rope_parameters must be an object or null"],
    [{ hidden_size: undefined }, 'lacks the field "hidden_size"'],
    [{ hidden_size: "64" }, 'hidden_size is "64"; supported is a positive integer'],
    [{ num_hidden_layers: 0 }, "num_hidden_layers is 0"],
    [{ vocab_size: 1.5 }, "vocab_size is 1.5"],
    [{ num_key_value_heads: 3 }, "num_attention_heads (4) must be a multiple of"],
    [{ hidden_size: 66 }, "head_dim is 16.5"],
    [{ head_dim: 7 }, "head_dim must be even, not 7"],
    [{ rms_norm_eps: -1 }, "rms_norm_eps is -1; supported is a positive number"],
    [{ rope_theta: 0 }, "rope_theta is 0"],
    [{ tie_word_embeddings: "yes" }, 'tie_word_embeddings is "yes"; supported is true or false'],
  ];
  for (const [change, sentence] of cases) {
    assertThrows(() => readConfig({ ...base, ...change }, "c"), UserError, sentence);
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
