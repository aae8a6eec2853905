/**
 * Byte-level BPE from the metadata of a GGUF file (`tokenizer.ggml.model` is `gpt2`).
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { JsonObject } from "../json_file.ts";
import type { Metadata } from "./metadata.ts";
import { type PreTokenizer, preTokenizers } from "./pre_tokenizers.ts";
import { quoted } from "./quoted.ts";
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
  const pre: PreTokenizer = preTokenizers[preTokenizerName(metadata)];
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

function preTokenizerName(metadata: Metadata): keyof typeof preTokenizers {
  const name = metadata.text("tokenizer.ggml.pre");
  if (Object.hasOwn(preTokenizers, name)) return name as keyof typeof preTokenizers;
  throw new UserError(
    `${metadata.path}: "tokenizer.ggml.pre" is ${quoted(name)}; those that are known are ${
      Object.keys(preTokenizers).join(", ")
    }, and for another one --tokenizer takes a folder with tokenizer.json`,
  );
}
