/**
 * Text to token ids and back, as Hugging Face's tokenizers do it.
 *
 * @module
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { ModelError } from "./error.ts";
import type { JsonObject } from "./json_file.ts";

/** Token ids of texts. */
export interface TextTokenizer {
  /** Ids of a text; special tokens written in the text become their ids, and none are added. */
  encode(text: string): number[];
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Id of one token of the vocabulary, added tokens included. */
  id(token: string): number | undefined;
}

/**
 * The tokenizer of a model folder.
 *
 * @param definition contents of `tokenizer.json`
 * @param config contents of `tokenizer_config.json`
 * @param path of `tokenizer.json`, for errors
 * @throws {ModelError} when the definition cannot be used
 */
export function openTokenizer(
  definition: JsonObject,
  config: JsonObject,
  path: string,
): TextTokenizer {
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(definition, config);
  } catch (error) {
    throw new ModelError(`${path} cannot be used as a tokenizer: ${(error as Error).message}.`);
  }
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) => tokenizer.decode([...ids], { skip_special_tokens: true }),
    id: (token) => tokenizer.token_to_id(token),
  };
}
