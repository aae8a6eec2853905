import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../errors.ts";
import { readRope } from "../../../engine/checkpoint/rope_parameters.ts";

const golden: {
  head_dim: number;
  max_position_embeddings: number;
  rope_parameters: Record<string, unknown>;
  inv_freq: number[];
  attention_scaling: number;
}[] = JSON.parse(
  await Deno.readTextFile(new URL("../../golden/architectures/rope.json", import.meta.url)),
);

const size = { headDim: 4, maxPositions: 8192 };
const read = (json: Record<string, unknown>) => readRope(json, "c", size);

Deno.test("pairs turn as fast as in Transformers", () => {
  for (const { head_dim: headDim, max_position_embeddings: maxPositions, ...wanted } of golden) {
    const { rope_parameters } = wanted;
    const { rotary } = readRope({ rope_parameters }, "c", { headDim, maxPositions });
    const { theta, stretch, scale } = rotary;
    assertEquals(stretch.length, headDim / 2);
    assertAlmostEquals(scale, wanted.attention_scaling, 1e-12);
    for (const [i, frequency] of wanted.inv_freq.entries()) {
      const off = theta ** (-2 * i / headDim) / stretch[i]! / frequency - 1;
      // Transformers computes in float32.
      assert(Math.abs(off) < 1e-6, `pair ${i} of ${JSON.stringify(rope_parameters)}: ${off}`);
    }
  }
});

Deno.test("parameters are read wherever Transformers writes them", () => {
  const theta = (json: Record<string, unknown>) => read(json).rotary.theta;
  assertEquals(theta({}), 10000);
  assertEquals(theta({ rope_theta: 1e6 }), 1e6);
  assertEquals(theta({ rope_parameters: { rope_theta: 5e5, rope_type: "default" } }), 5e5);
  assertEquals(theta({ rope_scaling: { rope_theta: 4e5, type: "default" } }), 4e5);
  assertEquals(theta({ rope_theta: 1e6, rope_scaling: null }), 1e6);
  assertEquals(theta({ rope_theta: 1e6, rope_parameters: { rope_type: "default" } }), 1e6);
  const { stretch } = read({
    rope_theta: 1e6,
    rope_scaling: { type: "dynamic", rope_type: "linear", factor: 2 },
    rope_parameters: { rope_type: "default" },
  }).rotary;
  assertEquals(stretch, [2, 2]);
  assertEquals(read({ rope_scaling: {}, rope_parameters: { rope_theta: 3 } }).rotary.theta, 3);
});

Deno.test("YaRN makes room for more positions, and the trained context may stand at the top", () => {
  const yarn = { rope_type: "yarn", factor: 4 };
  assertEquals(read({ rope_parameters: yarn }).positions, 32768);
  const trained = { original_max_position_embeddings: 1024 };
  assertEquals(read({ rope_parameters: { ...yarn, ...trained } }).positions, 8192);
  assertEquals(
    read({ rope_parameters: { ...yarn, original_max_position_embeddings: 4096 } })
      .positions,
    16384,
  );
  assertEquals(
    read({ rope_parameters: yarn, ...trained }).rotary,
    read({ rope_parameters: { ...yarn, ...trained } }).rotary,
  );
  assertEquals(read({ rope_parameters: { rope_type: "linear", factor: 4 } }).positions, 8192);
});

Deno.test("parameters that are not supported are refused by name", () => {
  const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const cases: [Record<string, unknown>, string][] = [
    [
      { rope_scaling: { type: "dynamic", factor: 4 } },
      'c, rope_scaling: type is "dynamic"; supported is "default" or "linear" or "llama3" or "yarn"',
    ],
    [{ rope_parameters: { rope_type: "longrope" } }, 'c, rope_parameters: rope_type is "longrope"'],
    [{ rope_parameters: { rope_type: "linear" } }, 'c, rope_parameters lacks the field "factor"'],
    [{ rope_parameters: { ...llama3, high_freq_factor: 1 } }, "is more than low_freq_factor, 1"],
    [{ rope_parameters: { ...llama3, low_freq_factor: null } }, '"low_freq_factor"'],
    [{ rope_parameters: { rope_type: "yarn", attention_factor: "1" } }, 'attention_factor is "1"'],
    [{ rope_parameters: { rope_type: "yarn", beta_fast: -1 } }, "beta_fast is -1; supported is a"],
    [{ rope_parameters: { rope_type: "yarn", truncate: 1 } }, "truncate is 1"],
    [{ rope_parameters: [] }, "c: rope_parameters must be an object or null"],
    [
      { rope_parameters: { full_attention: { rope_type: "default" } } },
      'full_attention is {"rope_type":"default"}; supported is one set of parameters for all layers',
    ],
    [{ partial_rotary_factor: 0.5 }, "c: partial_rotary_factor is 0.5; supported is 1"],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, "rope_parameters: partial_rotary_factor"],
    [{ rope_theta: 0 }, "c: rope_theta is 0; supported is a positive number"],
  ];
  for (const [json, sentence] of cases) assertThrows(() => read(json), UserError, sentence);
});
