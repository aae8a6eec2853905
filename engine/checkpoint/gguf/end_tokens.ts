/**
 * The tokens that end an answer.
 *
 * @module
 */
import type { Metadata } from "./metadata.ts";
import { tokenKinds, vocabularyOf } from "./vocabulary.ts";

/** Keys that name such a token: end of text, of a turn, of a message. */
const keys = ["eos", "eot", "eom"].map((name) => `tokenizer.ggml.${name}_token_id`);

/**
 * What such tokens are called. A file names one of them, and models have been trained with more
 * (ggml-org/llama.cpp, src/llama-vocab.cpp, `special_eog_ids`).
 */
const texts = new Set([
  "<|im_end|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end|>",
  "</s>",
]);

/**
 * Ids of the tokens that end an answer: those that the file names, then control tokens with a name
 * that ends one. None where the file has neither.
 */
export function endTokens(metadata: Metadata): readonly number[] {
  const { tokens, kinds } = metadata.has("tokenizer.ggml.tokens")
    ? vocabularyOf(metadata)
    : { tokens: [], kinds: [] };
  const named = keys.filter((key) => metadata.has(key)).map((key) => metadata.count(key));
  const known = tokens.flatMap((token, id) =>
    kinds[id] === tokenKinds.control && texts.has(token) ? [id] : []
  );
  return [...new Set([...named, ...known])];
}
