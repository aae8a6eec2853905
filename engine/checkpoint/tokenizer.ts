/**
 * Text to token ids and back, as Hugging Face's tokenizers do it.
 *
 * @module
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { UserError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";
import { withUnicodeClasses } from "./unicode_pre_tokenizers.ts";

/** Kinds of subword models that can be used; the library takes others for one of these. */
const modelTypes = ["BPE", "Unigram", "WordPiece"] as const;

/** Token ids of texts. */
export interface TextTokenizer {
  /** Ids of a text; special tokens written in the text become their ids, and none are added. */
  encode(text: string): number[];
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Special tokens that belong before a text that is no chat, such as `<s>`; may be empty. */
  readonly opening: string;
  /** Id of one token of the vocabulary, added tokens included. */
  id(token: string): number | undefined;
}

/**
 * The tokenizer of a model folder.
 *
 * @param definition contents of `tokenizer.json`
 * @param config contents of `tokenizer_config.json`
 * @param path of `tokenizer.json`, for errors
 * @throws {UserError} when the definition cannot be used
 */
export function openTokenizer(
  definition: JsonObject,
  config: JsonObject,
  path: string,
): TextTokenizer {
  const { type } = isJsonObject(definition.model) ? definition.model : {};
  if (!(modelTypes as readonly unknown[]).includes(type)) {
    throw new UserError(
      `${path} has a model of type ${JSON.stringify(type)}; supported are ${modelTypes.join(", ")}`,
    );
  }
  let tokenizer: Tokenizer;
  try {
    const pre_tokenizer = withUnicodeClasses(definition.pre_tokenizer);
    tokenizer = new Tokenizer({ ...definition, pre_tokenizer }, config);
  } catch (error) {
    const reason = (error as Error).message.replace(/\.$/, "");
    throw new UserError(`${path} cannot be used as a tokenizer: ${reason}`);
  }
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    // The library refuses an empty list.
    decode: (ids) =>
      ids.length === 0 ? "" : tokenizer.decode([...ids], { skip_special_tokens: true }),
    opening: openingOf(tokenizer),
    id: (token) => tokenizer.token_to_id(token),
  };
}

/** The tokens that it puts before a text by itself. */
function openingOf(tokenizer: Tokenizer): string {
  const text = "a";
  const [bare, whole] = [false, true].map((add_special_tokens) =>
    tokenizer.encode(text, { add_special_tokens })
  );
  const before = whole!.ids.indexOf(bare!.ids[0]!);
  return whole!.tokens.slice(0, Math.max(0, before)).join("");
}
