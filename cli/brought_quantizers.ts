/**
 * Quantizer files that a command judges again and again; reading the options of one loads no codecs.
 *
 * @module
 */
import { codecFileHash, openCodecFile } from "../codecs/codec_file.ts";
import type { BroughtQuantizer } from "../evaluation/brought_quantizer.ts";
import { policyFileName } from "../policies/user_policy.ts";
import type { QuantizerOptions } from "./quantizer_options.ts";

/** The files, ready to be opened as often as they are judged. */
export function broughtQuantizers(
  { quantizers, python, trust, limits }: QuantizerOptions,
  notice: (sentence: string) => void,
): BroughtQuantizer[] {
  const told = new Set<string>();
  const once = (sentence: string) => {
    if (!told.has(sentence)) notice(sentence);
    told.add(sentence);
  };
  const options = { trust, limits, notice: once, ...(python === undefined ? {} : { python }) };
  return quantizers.map((path) => ({
    name: policyFileName(path),
    hash: () => codecFileHash(path, options),
    open: () => openCodecFile(path, options),
  }));
}
