/**
 * What the family `kvquant` resolves a policy's answers to, and how a token's codes are laid out.
 *
 * @module
 */
import { wordsPerRow } from "../../packing/bit_packing.ts";
import type { Axis, Settings } from "../../family.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";

/** How an entry is coded once its range is known. */
export type KvquantQuantizer =
  /** Nearest entry of a codebook that k-means learned. */
  | "nuq"
  /** Nearest entry of the NormalFloat codebook. */
  | "nf"
  /** Evenly spaced. */
  | "int";

/** Settings of one layer and kind under `kvquant`. */
export interface KvquantSettings extends Settings {
  /** `"channel"`: calibrated range per channel; `"token"`: range of the token's own channels. */
  readonly axis: Axis;
  readonly quantizer: KvquantQuantizer;
  /** Nominal share of outliers; 0 for none. */
  readonly outliersRatio: number;
  /** First tokens kept exact. */
  readonly sinkTokens: number;
  /** Recent tokens kept exact (an extension of this project). */
  readonly residualLength: number;
  /** Integer codes only: round the zero point to a whole code in `-(2^bits - 1) .. 0`. */
  readonly roundZero: boolean;
  /** Codebook only: correct mean and spread of the restored values (Q-Norm). */
  readonly qNorm: boolean;
  /** Quantize keys before RoPE and rotate what is restored. */
  readonly preRope: boolean;
}

/** The family's options. */
export interface KvquantOptions {
  /** Rounds the zero points of evenly spaced levels to whole codes. */
  readonly round_zero: boolean;
  /** Corrects mean and spread of what a learned codebook restores. */
  readonly q_norm: boolean;
  /** Quantizes keys before RoPE. */
  readonly pre_rope: boolean;
}

/** Tokens of a snapshot of `n` tokens that are quantized. */
export function kvquantRange(settings: KvquantSettings, n: number): TokenRange {
  return slidingWindow(n, settings.residualLength, settings.sinkTokens);
}

/** Consecutive heads of one width; their codes of a token share a row of words. */
export interface CodeRow {
  readonly firstHead: number;
  readonly heads: number;
  readonly bits: number;
  /** Codes of a token in this row. */
  readonly codes: number;
  /** First word within a token. */
  readonly wordOffset: number;
  readonly words: number;
}

/** Rows of packed codes of one token. */
export interface TokenRows {
  readonly rows: readonly CodeRow[];
  /** Words of one token. */
  readonly words: number;
}

/** Lays out the codes of one token: a row of whole words for each run of heads of equal width. */
export function tokenRows(bits: readonly number[], headDim: number): TokenRows {
  const rows: CodeRow[] = [];
  let wordOffset = 0;
  for (let firstHead = 0; firstHead < bits.length;) {
    let heads = 1;
    while (bits[firstHead + heads] === bits[firstHead]) heads++;
    const codes = heads * headDim;
    const words = wordsPerRow(codes, bits[firstHead]!);
    rows.push({ firstHead, heads, bits: bits[firstHead]!, codes, wordOffset, words });
    firstHead += heads;
    wordOffset += words;
  }
  return { rows, words: wordOffset };
}
