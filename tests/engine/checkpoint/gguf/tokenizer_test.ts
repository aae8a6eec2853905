import { assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "@huggingface/tokenizers";
import { UserError } from "../../../../errors.ts";
import { endTokens } from "../../../../engine/checkpoint/gguf/end_tokens.ts";
import { readHeader } from "../../../../engine/checkpoint/gguf/header.ts";
import type { GgufValue } from "../../../../engine/checkpoint/gguf/header_cursor.ts";
import { Metadata } from "../../../../engine/checkpoint/gguf/metadata.ts";
import { preTokenizers } from "../../../../engine/checkpoint/gguf/pre_tokenizers.ts";
import { tokenizerOf } from "../../../../engine/checkpoint/gguf/tokenizer.ts";
import { openNeededFile } from "../../../../engine/checkpoint/model_file.ts";
import { openTokenizer } from "../../../../engine/checkpoint/tokenizer.ts";

const golden = (name: string) =>
  fileURLToPath(new URL(`../../../golden/gguf/${name}`, import.meta.url));

/** A text, the ids it has, and the text of these ids without special tokens. */
interface Case {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
}

const cases = async <K extends string>(name: string): Promise<Record<K, Case[]>> =>
  JSON.parse(await Deno.readTextFile(golden(name)));

const sentencePiece = await cases<"plain" | "without_prefix" | "special">("sentencepiece.json");
const byteLevel = await cases<keyof typeof preTokenizers>("byte_level.json");

/** The metadata of a file with some values changed, or left out where they are undefined. */
async function metadataOf(
  name: string,
  changes: Readonly<Record<string, GgufValue | undefined>> = {},
): Promise<Metadata> {
  const file = await openNeededFile(golden(name));
  const { metadata } = await readHeader(file);
  const values = new Map(metadata.entries);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) values.delete(`tokenizer.ggml.${key}`);
    else values.set(`tokenizer.ggml.${key}`, value);
  }
  return new Metadata(values, "m.gguf");
}

const LLAMA = "llama.gguf";
const QWEN2 = "qwen2-00001-of-00003.gguf";

function assertTokenizes(metadata: Metadata, cases: readonly Case[]): void {
  const { definition, settings } = tokenizerOf(metadata);
  const tokenizer = openTokenizer(definition, settings, metadata.path);
  for (const { text, ids, decoded } of cases) {
    assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
    assertEquals(tokenizer.decode(ids), decoded, JSON.stringify(text));
  }
}

for (const pre of Object.keys(preTokenizers) as (keyof typeof preTokenizers)[]) {
  Deno.test(`byte-level BPE after "${pre}" has the ids of huggingface/tokenizers`, async () => {
    assertTokenizes(await metadataOf(QWEN2, { pre }), byteLevel[pre]);
  });
}

Deno.test("SentencePiece has the ids of google/sentencepiece, with bytes for what is no token", async () => {
  assertTokenizes(await metadataOf(LLAMA), sentencePiece.plain);
});

Deno.test("no space is put before a text where the file says so", async () => {
  assertTokenizes(
    await metadataOf(LLAMA, { add_space_prefix: false }),
    sentencePiece.without_prefix,
  );
});

Deno.test("special and user-defined tokens in a text become their ids, and texts after them start anew", async () => {
  assertTokenizes(await metadataOf(LLAMA), sentencePiece.special);
});

Deno.test("special tokens are added where the file says so", async () => {
  const added = async (name: string, changes = {}) => {
    const { definition, settings } = tokenizerOf(await metadataOf(name, changes));
    const tokenizer = new Tokenizer(definition, settings);
    const bare = tokenizer.encode("a", { add_special_tokens: false }).ids.join();
    return tokenizer.encode("a").ids.join().replace(bare, "…");
  };
  assertEquals(await added(LLAMA), "1,…");
  assertEquals(await added(LLAMA, { add_bos_token: undefined }), "1,…");
  assertEquals(await added(LLAMA, { add_bos_token: false, add_eos_token: true }), "…,2");
  assertEquals(await added(LLAMA, { bos_token_id: undefined }), "…");
  assertEquals(await added(QWEN2), "…");
  assertEquals(await added(QWEN2, { add_bos_token: undefined }), "…");
  assertEquals(await added(QWEN2, { add_bos_token: undefined, pre: "llama-bpe" }), "521,…");
});

Deno.test("begin and end tokens are named for the chat template", async () => {
  assertEquals(tokenizerOf(await metadataOf(LLAMA)).settings, {
    bos_token: "<s>",
    eos_token: "</s>",
    clean_up_tokenization_spaces: false,
  });
});

Deno.test("an answer ends at every token that the file names or that is known to end one", async () => {
  assertEquals(endTokens(await metadataOf(LLAMA)), [2]);
  assertEquals(endTokens(await metadataOf(QWEN2)), [523, 521]);
  assertEquals(endTokens(await metadataOf(QWEN2, { eot_token_id: 7 })), [523, 7, 521]);
  assertEquals(endTokens(await metadataOf(QWEN2, { eos_token_id: undefined })), [521, 523]);
});

Deno.test("a tokenizer that cannot be used is refused in one sentence", async (t) => {
  const refused: Record<string, [string, Readonly<Record<string, GgufValue | undefined>>, string]> =
    {
      "another model": [
        QWEN2,
        { model: "bert" },
        'm.gguf: "tokenizer.ggml.model" is "bert"; those that are known are gpt2, llama, and for another one --tokenizer takes a folder with tokenizer.json',
      ],
      "another pre-tokenizer": [
        QWEN2,
        { pre: "deepseek-coder" },
        'm.gguf: "tokenizer.ggml.pre" is "deepseek-coder"; those that are known are qwen2, llama-bpe, smollm, gpt-2, and for another one --tokenizer takes',
      ],
      "none": [QWEN2, { model: undefined }, 'm.gguf lacks "tokenizer.ggml.model"'],
      "no pre-tokenizer": [QWEN2, { pre: undefined }, 'm.gguf lacks "tokenizer.ggml.pre"'],
      "no tokens": [LLAMA, { tokens: undefined }, 'm.gguf lacks "tokenizer.ggml.tokens"'],
      "no merges": [QWEN2, { merges: undefined }, 'm.gguf lacks "tokenizer.ggml.merges"'],
      "no scores": [LLAMA, { scores: undefined }, 'm.gguf lacks "tokenizer.ggml.scores"'],
      "too few scores": [
        LLAMA,
        { scores: [0, 1] },
        'm.gguf has 2 values in "tokenizer.ggml.scores"; it must have one for each of its 561 tokens',
      ],
      "too few kinds": [
        LLAMA,
        { token_type: [1] },
        'm.gguf has 1 values in "tokenizer.ggml.token_type"; it must have one for each of its 561 tokens',
      ],
      "no token for a byte": [
        LLAMA,
        { tokens: ["a"], scores: [0], token_type: [1] },
        'm.gguf lacks the token "<0x00>": every byte must have one',
      ],
      "an end token that there is not": [
        LLAMA,
        { eos_token_id: 561 },
        'm.gguf: "tokenizer.ggml.eos_token_id" is 561; it must be the id of one of 561 tokens',
      ],
    };
  for (const [what, [name, changes, sentence]] of Object.entries(refused)) {
    await t.step(what, async () => {
      const metadata = await metadataOf(name, changes);
      assertThrows(() => tokenizerOf(metadata), UserError, sentence);
    });
  }
});
