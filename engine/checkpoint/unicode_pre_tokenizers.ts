/**
 * Pre-tokenizers that see digits and spaces as huggingface/tokenizers does. The library that runs
 * them has regular expressions of JavaScript in two of them, which take only the digits 0 to 9 for
 * digits, U+FEFF for a space and U+0085 for none; given as patterns, it reads them as Unicode has it.
 *
 * @module
 */
import { isJsonObject } from "./json_file.ts";

/** GPT-2's parts of a text (openai/gpt-2, src/encoder.py). */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * The same pre-tokenizer with such parts given as patterns.
 *
 * @param definition `pre_tokenizer` of a `tokenizer.json`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withUnicodeClasses } from "./unicode_pre_tokenizers.ts";
 *
 * assertEquals(withUnicodeClasses({ type: "Digits", individual_digits: true }), {
 *   type: "Split",
 *   pattern: { Regex: "\\p{N}" },
 *   behavior: "Isolated",
 *   invert: false,
 * });
 * ```
 */
export function withUnicodeClasses(definition: unknown): unknown {
  if (!isJsonObject(definition)) return definition;
  switch (definition.type) {
    case "Sequence":
      return Array.isArray(definition.pretokenizers)
        ? { ...definition, pretokenizers: definition.pretokenizers.map(withUnicodeClasses) }
        : definition;
    case "Digits":
      return split(definition.individual_digits === true ? "\\p{N}" : "\\p{N}+");
    case "ByteLevel":
      // With a space put before each part, the order of the two would count.
      if (definition.use_regex === false || definition.add_prefix_space === true) return definition;
      return {
        type: "Sequence",
        pretokenizers: [split(GPT2), { ...definition, use_regex: false }],
      };
    default:
      return definition;
  }
}

function split(pattern: string) {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}
