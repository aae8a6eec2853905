/** What llama.cpp refuses, and where it rotates. */
import { assertEquals, assertThrows } from "@std/assert";
import { ggml } from "../../../../quant/families/ggml/ggml.ts";
import { GGML_TYPES } from "../../../../quant/families/ggml/ggml_types.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

function resolve(bits: number, type: string | undefined, headDim: number, kind: KvKind = "key") {
  const options = type === undefined ? {} : { type };
  return settingsFor(ggml, answers(kind, { bits: [bits], options }), { heads: 1, headDim });
}

Deno.test("blocks that do not divide a head are refused, types without blocks are not", () => {
  assertThrows(
    () => resolve(8, "q8_0", 80),
    QuantizerError,
    "blocks of 32 entries of q8_0 do not divide the 80 channels of a head",
  );
  assertEquals(resolve(16, "bf16", 80).rotation, 1);
});

Deno.test("a type goes with its width, and a width means its plain type", () => {
  assertThrows(
    () => resolve(4, "q8_0", 64),
    QuantizerError,
    "codes of q8_0 have 8 bits, but choose_bits is 4",
  );
  const plain = [4, 5, 8, 16].map((bits) => resolve(bits, undefined, 64).type);
  assertEquals(plain, ["q4_0", "q5_0", "q8_0", "f16"]);
});

Deno.test("keys are rotated over the largest power of two that divides them, values over 64", () => {
  const rotations = (headDim: number) =>
    (["key", "value"] as const).map((kind) => resolve(4, "q4_0", headDim, kind).rotation);
  assertEquals(rotations(64), [64, 64]);
  assertEquals(rotations(128), [128, 64]);
  assertEquals(rotations(192), [64, 64]);
  assertEquals(rotations(256), [256, 64]);
  assertEquals(rotations(96), [1, 1]);
  assertEquals(resolve(16, "f16", 128).rotation, 1);
});

Deno.test("of zeros of both signs the first is the least entry, as in ggml's own comparisons", () => {
  for (const type of ["q4_1", "q5_1"] as const) {
    const leastOf = (first: number, others: number) => {
      const entries = new Float32Array(32).fill(others).with(0, first);
      const stored = new Uint32Array(2);
      GGML_TYPES[type].arithmetic.quantize(entries, 1, new Int32Array(32), stored);
      return stored[1];
    };
    assertEquals(leastOf(0, -0), 0);
    assertEquals(leastOf(-0, 0), 0x8000);
  }
});
