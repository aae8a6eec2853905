/**
 * The tokenizer of a GGUF file, in the form of the files that a Hugging Face folder has instead.
 *
 * @module
 */
import type { JsonObject } from "../json_file.ts";
import { byteLevelParts, type TokenizerParts } from "./byte_level.ts";
import { knownName } from "./known_name.ts";
import type { Metadata } from "./metadata.ts";
import { sentencePieceParts } from "./sentencepiece.ts";
import { namedToken, tokenKinds, type Vocabulary, vocabularyOf } from "./vocabulary.ts";

/** What `tokenizer.json` and `tokenizer_config.json` would hold. */
export interface TokenizerJson {
  readonly definition: JsonObject;
  readonly settings: JsonObject;
}

/** Readers by the value of `tokenizer.ggml.model`. */
const models = {
  gpt2: byteLevelParts,
  llama: sentencePieceParts,
} as const satisfies Record<string, (metadata: Metadata, vocabulary: Vocabulary) => TokenizerParts>;

/** Tokens of these kinds are found in a text before anything else is done to it. */
const addedKinds: readonly number[] = [
  tokenKinds.unknown,
  tokenKinds.control,
  tokenKinds.userDefined,
];

/**
 * The tokenizer of a file.
 *
 * @throws {UserError} for a tokenizer that is not known, or whose parts are missing or wrong
 */
export function tokenizerOf(metadata: Metadata): TokenizerJson {
  const vocabulary = vocabularyOf(metadata);
  const { parts, addBos } = models[knownName(metadata, "tokenizer.ggml.model", models)](
    metadata,
    vocabulary,
  );
  const [bos, eos] = [
    namedToken(metadata, vocabulary, "bos"),
    namedToken(metadata, vocabulary, "eos"),
  ];
  const special = (token: string | undefined, name: string, fallback: boolean) =>
    token !== undefined && metadata.flag(`tokenizer.ggml.add_${name}_token`, fallback)
      ? [{ SpecialToken: { id: token, type_id: 0 } }]
      : [];
  const { tokens, kinds } = vocabulary;
  return {
    definition: {
      ...parts,
      added_tokens: tokens.flatMap((content, id) =>
        addedKinds.includes(kinds[id]!)
          ? [{ id, content, special: kinds[id] !== tokenKinds.userDefined, normalized: false }]
          : []
      ),
      post_processor: {
        type: "TemplateProcessing",
        single: [
          ...special(bos, "bos", addBos),
          { Sequence: { id: "A", type_id: 0 } },
          ...special(eos, "eos", false),
        ],
      },
    },
    settings: {
      ...(bos === undefined ? {} : { bos_token: bos }),
      ...(eos === undefined ? {} : { eos_token: eos }),
      clean_up_tokenization_spaces: false,
    },
  };
}
