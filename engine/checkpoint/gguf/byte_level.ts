/**
 * Byte-level BPE from the metadata of a GGUF file (`tokenizer.ggml.model` is `gpt2`).
 *
 * @module
 */
import type { JsonObject } from "../json_file.ts";
import { knownName } from "./known_name.ts";
import type { Metadata } from "./metadata.ts";
import { type PreTokenizer, preTokenizers } from "./pre_tokenizers.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Parts of a `tokenizer.json`, and whether a text starts with the begin token by default. */
export interface TokenizerParts {
  /** The fields `normalizer`, `pre_tokenizer`, `decoder` and `model`. */
  readonly parts: JsonObject;
  /** Where the file does not say. */
  readonly addBos: boolean;
}

/**
 * The tokenizer of a file.
 *
 * @throws {UserError} for a pre-tokenizer that is not known
 */
export function byteLevelParts(metadata: Metadata, { tokens }: Vocabulary): TokenizerParts {
  const pre: PreTokenizer = preTokenizers[knownName(metadata, "tokenizer.ggml.pre", preTokenizers)];
  return {
    parts: {
      normalizer: pre.normalizer,
      pre_tokenizer: pre.pre_tokenizer,
      decoder: { type: "ByteLevel" },
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: metadata.texts("tokenizer.ggml.merges"),
        ignore_merges: pre.ignoreMerges,
      },
    },
    addBos: pre.addBos,
  };
}
