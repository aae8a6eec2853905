import { assertEquals } from "@std/assert";
import { renderPrompt } from "../../../benchmarks/datasets.ts";
import { loadSlice, sliceNames } from "../../../benchmarks/slices.ts";
import { sha256 } from "../../../engine/digest.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { findModel } from "../../../engine/checkpoint/resolve.ts";

interface Golden {
  readonly examples: Record<string, { readonly tokens: number; readonly sha256: string }>;
  readonly texts: { readonly text: string; readonly ids: number[]; readonly decoded: string }[];
  readonly pieces: { readonly ids: number[]; readonly decoded: string }[];
}

const golden: Golden = JSON.parse(
  await Deno.readTextFile(new URL("../../golden/model/tokenization.json", import.meta.url)),
);
const { tokenizer, renderChat } = await loadModel((await findModel("mini")).path);

Deno.test("every prompt of the slices has Transformers' token ids", async () => {
  let seen = 0;
  for (const slice of sliceNames) {
    for (const example of await loadSlice(slice)) {
      const text = renderChat([{ role: "user", content: renderPrompt(example) }]);
      const ids = tokenizer.encode(text);
      const wanted = golden.examples[example.id]!;
      assertEquals(ids.length, wanted.tokens, example.id);
      assertEquals(await sha256(ids.join(",")), wanted.sha256, example.id);
      seen++;
    }
  }
  assertEquals(seen, Object.keys(golden.examples).length);
});

Deno.test("special tokens in a text become their ids", () => {
  assertEquals(tokenizer.encode("<|im_start|><|im_end|><|endoftext|>"), [1, 2, 0]);
  assertEquals(tokenizer.id("<|im_end|>"), 2);
  assertEquals(tokenizer.id("no such token"), undefined);
});

Deno.test("other scripts, spaces and emoji are tokenized like Transformers", () => {
  for (const { text, ids } of golden.texts) assertEquals(tokenizer.encode(text), ids, text);
});

Deno.test("decoding is Transformers', special tokens left out and broken characters replaced", () => {
  for (const { ids, decoded } of [...golden.texts, ...golden.pieces]) {
    assertEquals(tokenizer.decode(ids), decoded);
  }
});
