/**
 * What the family `qaq` resolves a policy's answers to, and the sizes that follow.
 *
 * @module
 */
import type { Settings } from "../../family.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";

/** Settings of one layer and kind under `qaq`. */
export interface QaqSettings extends Settings {
  /** What a group spans: all layers and heads of a token, one layer's heads, or one head. */
  readonly level: "token" | "layer" | "head";
  readonly method: "uniform" | "normal";
  /** Codes are centred on 0 instead of the group's mean. */
  readonly symmetric: boolean;
  /** Nominal share of entries kept exactly. */
  readonly outliersRatio: number;
  /** Widths follow from the group's range and its attention; `bits` is not used then. */
  readonly useAttentions: boolean;
  /** Smallest and largest width under `useAttentions`. */
  readonly bitRange: readonly [number, number];
  /** Query rows whose attention counts. */
  readonly lastNAttentions: number;
  readonly targetQuantizationError: number;
  /** Assumed norm of a query; keys only. */
  readonly qNorm: number;
  /** Recent tokens kept exact (a rule of this project: the official code quantizes once). */
  readonly residualLength: number;
}

/** Tokens of a snapshot of `n` tokens that are quantized. */
export function qaqRange(settings: QaqSettings, n: number): TokenRange {
  return slidingWindow(n, settings.residualLength, 0);
}

/**
 * Length of the snapshot in which a token is first quantized: widths are fixed then. The prompt's
 * tokens outside the window are quantized together.
 *
 * @param promptTokens length of the first snapshot
 */
export function momentOf(settings: QaqSettings, token: number, promptTokens: number): number {
  return Math.max(promptTokens, token + settings.residualLength + 1);
}

/** Bits that name a group's width. */
export const WIDTH_BITS = 5;

/** How the entries of a token are grouped. */
export interface QaqLayout {
  /** Layers that are packed together: all of a kind at the token level, else one. */
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** Entries of a token: layers, heads, channels. */
  readonly entries: number;
  /** Groups of a token, each of `groupSize` consecutive entries. */
  readonly groups: number;
  readonly groupSize: number;
  /** Entries at most `sorted[lowRank]` are outliers. */
  readonly lowRank: number;
  /** Entries above `sorted[highRank]` are outliers. */
  readonly highRank: number;
  /** Outliers of a group without ties; other numbers are listed as exceptions. */
  readonly nominalOutliers: number;
  /** Bits of an outlier's position in its group. */
  readonly positionBits: number;
}

/** Layout for tensors of this shape. */
export function qaqLayout(
  settings: QaqSettings,
  { heads, headDim }: Omit<KvShape, "capacity">,
  modelLayers: number,
): QaqLayout {
  const layers = settings.level === "token" ? modelLayers : 1;
  const entries = layers * heads * headDim;
  const groupSize = settings.level === "head" ? headDim : entries;
  const share = settings.outliersRatio / 2;
  const lowRank = share === 0 ? -1 : Math.ceil(share * groupSize) - 1;
  const highRank = share === 0 ? groupSize - 1 : Math.floor((1 - share) * groupSize) - 1;
  return {
    layers,
    heads,
    headDim,
    entries,
    groups: entries / groupSize,
    groupSize,
    lowRank,
    highRank,
    nominalOutliers: lowRank + 1 + groupSize - 1 - highRank,
    positionBits: Math.ceil(Math.log2(groupSize)),
  };
}
