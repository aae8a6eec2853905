/**
 * Codecs: quantizers that anyone may bring, contained, and judged by the bytes they make.
 *
 * @module
 */
export type {
  Block,
  BlockPlace,
  BlockRule,
  Codec,
  CodecModel,
  CodecSamples,
  Observed,
} from "./codec.ts";
export { codedTokens } from "./block_rule.ts";
export { openCodecFile } from "./codec_file.ts";
