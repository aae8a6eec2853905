/**
 * The worked examples of docs/quantizers.md, as they stand there: whole modules, which tests of
 * documents cannot run.
 */
import { assert, assertEquals } from "@std/assert";
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
