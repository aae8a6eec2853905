/**
 * The worked examples of docs/quantizers.md, as they stand there: whole modules, which tests of
 * documents cannot run.
 */
import { assert, assertEquals } from "@std/assert";
import type { Codec } from "../../codecs/codec.ts";
import { CodecHost } from "../../codecs/codec_host.ts";
import { trial } from "../../evaluation/trial.ts";

const document = await Deno.readTextFile(new URL("../../docs/quantizers.md", import.meta.url));
const examples = [...document.matchAll(/```ts ignore\n([\s\S]*?)```/g)].map(([, text]) => text!);

Deno.test("docs/quantizers.md has its two examples, of fewer than 80 lines each", () => {
  assertEquals(examples.length, 2);
  for (const text of examples) {
    assert(text.trimEnd().split("\n").length < 80);
  }
});

for (const [i, name] of ["vector_pairs", "delta_rice"].entries()) {
  Deno.test(`${name} of docs/quantizers.md does what it must`, async () => {
    const text = examples[i]!;
    const { result } = await trial(
      () => CodecHost.open({ name, text, language: "ts" }),
      { budgetBits: 4, seed: 0 },
    );
    const { numbers } = result;
    assert(numbers.avg_bits_per_kv_token < 6, `${numbers.avg_bits_per_kv_token} bits`);
    assert(numbers.cache_error < 0.3, `an error of ${numbers.cache_error}`);
    // What is learned is a constant of the model, the same whatever is cached.
    assertEquals(numbers.constants_mb > 0, name === "vector_pairs");
  });
}

/** A module of the document; what it learned is in it, so that each is loaded by itself. */
async function codecOf(text: string, which: unknown): Promise<Codec> {
  const module = `data:application/typescript,${encodeURIComponent(`// ${which}\n${text}`)}`;
  return (await import(module)).default;
}

Deno.test("vector_pairs restores channels of any size that float32 has", async () => {
  const model = { layers: 1, query_heads: 1, kv_heads: 1, head_dim: 4 };
  const wave = (tokens: number, size: number) =>
    Float32Array.from({ length: 4 * tokens }, (_, i) => size * (2 + Math.sin(i * i)));
  for (const size of [1, 131_072, 1e15]) {
    const codec = await codecOf(examples[0]!, size);
    const keys = wave(512, size);
    const lesson = await codec.calibrate!([{ tokens: 512, keys, values: keys }], model);
    codec.reset!(model, lesson);
    const data = wave(1, size);
    const place = { first: 0, tokens: 1, heads: 1, headDim: 4 };
    const restored = codec.decode(0, "key", codec.encode(0, "key", { ...place, data }), place);
    for (const [i, x] of data.entries()) {
      assert(Math.abs(restored[i]! - x) <= 0.2 * size, `${restored[i]} for ${x}`);
    }
  }
});

Deno.test("delta_rice restores channels of any size that float32 has", async () => {
  const codec = await codecOf(examples[1]!, "");
  for (const size of [0, 1e-6, 1, 131_072, 1e9, 1e37]) {
    const place = { first: 0, tokens: 16, heads: 1, headDim: 2 };
    const data = Float32Array.from({ length: 32 }, (_, i) => size * Math.sin(i));
    const restored = codec.decode(0, "key", codec.encode(0, "key", { ...place, data }), place);
    for (const [i, x] of data.entries()) {
      // Half a step of half the channel's root mean square, or of the least step.
      assert(Math.abs(restored[i]! - x) <= Math.max(0.26 * size, 5e-5), `${restored[i]} for ${x}`);
    }
  }
});
