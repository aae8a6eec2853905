/**
 * Quantizer files that a command judges again and again; reading the options of one loads no codecs.
 *
 * @module
 */
import { type CodecFile, codecHash, openReadCodec, readCodecFile } from "../codecs/codec_file.ts";
import type { BroughtQuantizer } from "../evaluation/brought_quantizer.ts";
import { policyFileName } from "../policies/user_policy.ts";
import type { QuantizerOptions } from "./quantizer_options.ts";

/** The files, read once and opened as often as they are judged. */
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
  return quantizers.map((path) => {
    // Read once: what is judged is what its hash says, though it be edited meanwhile.
    let read: Promise<CodecFile> | undefined;
    const file = () => read ??= readCodecFile(path, options);
    return {
      name: policyFileName(path),
      hash: async () => await codecHash(await file(), options),
      open: async () => await openReadCodec(await file(), options),
    };
  });
}
