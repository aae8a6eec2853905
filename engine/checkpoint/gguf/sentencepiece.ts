/**
 * SentencePiece's BPE from the metadata of a GGUF file (`tokenizer.ggml.model` is `llama`), as Llama 2
 * and most Mistral files have it (Kudo and Richardson, 2018, arXiv 1808.06226; google/sentencepiece,
 * src/bpe_model.cc).
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import type { TokenizerParts } from "./byte_level.ts";
import type { Metadata } from "./metadata.ts";
import { namedToken, tokenKinds, type Vocabulary } from "./vocabulary.ts";

/** What a space is spelled as. */
const SPACE = "\u2581";

/**
 * The tokenizer of a file. A space is put before a text, and after each special token in it, unless
 * the file says otherwise (ggml-org/llama.cpp, src/llama-vocab.cpp, `add_space_prefix`); a character
 * that is no token becomes the tokens of its bytes.
 *
 * @throws {UserError} when scores or tokens of bytes are missing
 */
export function sentencePieceParts(metadata: Metadata, vocabulary: Vocabulary): TokenizerParts {
  const prefix = metadata.flag("tokenizer.ggml.add_space_prefix", true);
  const vocab = new Map(vocabulary.tokens.map((token, id) => [token, id]));
  for (let byte = 0; byte < 256; byte++) {
    const token = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    if (!vocab.has(token)) {
      throw new UserError(`${metadata.path} lacks the token "${token}": every byte must have one`);
    }
  }
  const replace = (pattern: string, content: string) => ({
    type: "Replace",
    pattern: { String: pattern },
    content,
  });
  return {
    parts: {
      normalizer: {
        type: "Sequence",
        normalizers: [
          ...(prefix ? [{ type: "Prepend", prepend: SPACE }] : []),
          replace(" ", SPACE),
        ],
      },
      pre_tokenizer: null,
      decoder: {
        type: "Sequence",
        decoders: [
          replace(SPACE, " "),
          { type: "ByteFallback" },
          { type: "Fuse" },
          ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        type: "BPE",
        vocab: Object.fromEntries(vocab),
        merges: mergesOf(metadata, vocabulary),
        byte_fallback: true,
        unk_token: namedToken(metadata, vocabulary, "unknown") ?? null,
      },
    },
    addBos: true,
  };
}

/**
 * Pairs of tokens in the order in which they are merged. The file has a score for each token instead:
 * of all pairs that could be merged, the one whose token scores highest is. Among equal scores the pair
 * with the longer left part comes first, as in huggingface/transformers, `generate_merges`.
 */
function mergesOf(metadata: Metadata, { tokens, kinds }: Vocabulary): [string, string][] {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.length !== tokens.length) {
    throw new UserError(
      `${metadata.path} has ${scores.length} values in "tokenizer.ggml.scores"; it must have one for each of its ${tokens.length} tokens`,
    );
  }
  const mergeable = new Set(tokens.filter((_, id) => kinds[id] === tokenKinds.normal));
  const merges: Merge[] = [];
  tokens.forEach((token, id) => {
    if (kinds[id] !== tokenKinds.normal) return;
    const characters = Array.from(token);
    for (let cut = characters.length - 1; cut > 0; cut--) {
      const pair: [string, string] = [
        characters.slice(0, cut).join(""),
        characters.slice(cut).join(""),
      ];
      if (pair.every((part) => mergeable.has(part))) {
        merges.push({ pair, rank: [scores[id]!, cut, characters.length - cut] });
      }
    }
  });
  return merges.sort(byRank).map(({ pair }) => pair);
}

interface Merge {
  readonly pair: [string, string];
  /** Score of what it makes, lengths of its parts. */
  readonly rank: readonly [number, number, number];
}

function byRank({ rank: [a, b, c] }: Merge, { rank: [x, y, z] }: Merge): number {
  return x - a || y - b || z - c;
}
