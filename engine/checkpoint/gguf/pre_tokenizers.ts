/**
 * How byte-level BPE parts a text before it merges, by the names of `tokenizer.ggml.pre`
 * (ggml-org/llama.cpp, src/llama-vocab.cpp).
 *
 * @module
 */
import type { JsonObject } from "../json_file.ts";

/** What one name stands for, in the form of `tokenizer.json`. */
export interface PreTokenizer {
  /** Before everything else. */
  readonly normalizer: JsonObject | null;
  /** Parts the text, and spells its bytes. */
  readonly pre_tokenizer: JsonObject;
  /** Whether a part that is a token stays whole though no merges lead to it. */
  readonly ignoreMerges: boolean;
  /** Whether a text starts with the begin token where the file does not say. */
  readonly addBos: boolean;
}

/**
 * Parts a text as GPT-4 does: contractions, words with the one sign before them, digits, signs, ends
 * of lines, spaces.
 *
 * @param digits how many may stay together
 */
function words(digits: string): JsonObject {
  const pattern = [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+",
    `\\p{N}${digits}`,
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*",
    "\\s*[\\r\\n]+",
    "\\s+(?!\\S)",
    "\\s+",
  ].join("|");
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Spells bytes as letters, after parting the text as GPT-2 does or not. */
function byteLevel(parting: boolean): JsonObject {
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: parting };
}

function sequence(...pretokenizers: readonly JsonObject[]): JsonObject {
  return { type: "Sequence", pretokenizers };
}

/** Pre-tokenizers by name. */
export const preTokenizers = {
  /** Qwen2, 2.5 and 3 (Qwen/Qwen2.5-0.5B, tokenizer.json). */
  qwen2: {
    normalizer: { type: "NFC" },
    pre_tokenizer: sequence(words(""), byteLevel(false)),
    ignoreMerges: false,
    addBos: false,
  },
  /** Llama 3 (meta-llama/Llama-3.1-8B, tokenizer.json). */
  "llama-bpe": {
    normalizer: null,
    pre_tokenizer: sequence(words("{1,3}"), byteLevel(false)),
    ignoreMerges: true,
    addBos: true,
  },
  /** SmolLM and SmolLM2 (HuggingFaceTB/SmolLM2-135M, tokenizer.json). */
  smollm: {
    normalizer: null,
    pre_tokenizer: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)),
    ignoreMerges: false,
    addBos: false,
  },
  /** GPT-2 (openai-community/gpt2, tokenizer.json). */
  "gpt-2": {
    normalizer: null,
    pre_tokenizer: byteLevel(true),
    ignoreMerges: false,
    addBos: false,
  },
} as const satisfies Record<string, PreTokenizer>;
