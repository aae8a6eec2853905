/**
 * Settings of `kvtc`, and which layers and tokens they bring together.
 *
 * @module
 */
import type { Settings, Source } from "../../family.ts";
import type { KvShape, TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";

/** Settings of one layer and kind under `kvtc`. */
export interface KvtcSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /** How many times smaller than in 16 bits the codes are, before they are deflated. */
  readonly compression: number;
  /** Layers whose channels have principal components together. */
  readonly groupLayers: number;
  readonly residualLength: number;
  readonly sinkTokens: number;
}

/** The options of `kvtc`. */
export interface KvtcOptions {
  readonly compression?: number;
  readonly layers?: number;
}

/** Layers `from .. to - 1`: those that are coded together with a layer. */
export function layersTogether(
  { layer, groupLayers }: Pick<KvtcSettings, "layer" | "groupLayers">,
): { readonly from: number; readonly to: number } {
  const from = layer - layer % groupLayers;
  return { from, to: from + groupLayers };
}

/** Sources of the layers that are coded together. */
export function sourcesTogether<T extends KvShape>(
  source: Source<T>,
  settings: KvtcSettings,
): readonly Source<T>[] {
  const { from, to } = layersTogether(settings);
  const together = source.siblings.filter(({ layer }) => layer >= from && layer < to);
  return together.length === 0 ? [source] : together;
}

/** Which tokens of a snapshot are quantized: all but the first and the last ones. */
export function kvtcRange({ residualLength, sinkTokens }: KvtcSettings, n: number): TokenRange {
  return slidingWindow(n, residualLength, sinkTokens);
}
