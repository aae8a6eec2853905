/**
 * The vocabulary in the metadata of a GGUF file (ggml-org/ggml, docs/gguf.md, "GGML").
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { Metadata } from "./metadata.ts";

/** Kinds of tokens, as `tokenizer.ggml.token_type` numbers them. */
export const tokenKinds = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** A vocabulary: what stands at the index of a token's id. */
export interface Vocabulary {
  /** Texts. */
  readonly tokens: readonly string[];
  /** Kinds, see `tokenKinds`. */
  readonly kinds: readonly number[];
}

/**
 * The vocabulary of a file; a token without a kind is a normal one.
 *
 * @throws {UserError} when it is missing, or has not as many kinds as tokens
 */
export function vocabularyOf(metadata: Metadata): Vocabulary {
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  const kinds = metadata.numbers("tokenizer.ggml.token_type", tokens.map(() => tokenKinds.normal));
  if (kinds.length !== tokens.length) {
    throw new UserError(
      `${metadata.path} has ${kinds.length} values in "tokenizer.ggml.token_type"; it must have one for each of its ${tokens.length} tokens`,
    );
  }
  return { tokens, kinds };
}

/**
 * Text of the token whose id is the value of `tokenizer.ggml.NAME_token_id`, undefined when there is
 * none.
 *
 * @param name such as `bos`
 * @throws {UserError} for an id that is not in the vocabulary
 */
export function namedToken(
  metadata: Metadata,
  { tokens }: Vocabulary,
  name: string,
): string | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  if (!metadata.has(key)) return undefined;
  const id = metadata.count(key);
  const token = tokens[id];
  if (token !== undefined) return token;
  throw new UserError(
    `${metadata.path}: "${key}" is ${id}; it must be the id of one of ${tokens.length} tokens`,
  );
}
