/**
 * Kept samples as vectors: all channels of some layers, a row for every token.
 *
 * @module
 */
import type { KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";

/** Vectors of tokens. */
export interface SampleRows {
  /** `[tokens][channels]` */
  readonly data: Float64Array;
  readonly channels: number;
}

/**
 * The vectors of layers `from .. to - 1` together, keys before RoPE, without tokens that stay exact as
 * sinks.
 */
export function sampleRows(
  { layers, positions }: KeptSamples,
  from: number,
  to: number,
  kind: KvKind,
  sinkTokens: number,
): SampleRows {
  const tensors = layers.slice(from, to).map((l) => kind === "key" ? l.preRopeKeys : l.values);
  const { heads, headDim } = tensors[0]![0]!;
  const channels = tensors.length * heads * headDim;
  // Where nothing but sinks was kept, they have to do.
  const chosen = (least: number) =>
    positions.map((own) => [...own.keys()].filter((i) => own[i]! >= least));
  let tokens = chosen(sinkTokens);
  if (tokens.every((own) => own.length === 0)) tokens = chosen(0);
  const data = new Float64Array(tokens.reduce((sum, own) => sum + own.length, 0) * channels);
  let at = 0;
  for (const [sample, own] of tokens.entries()) {
    for (const t of own) {
      for (const ofLayer of tensors) {
        const { data: entries, capacity } = ofLayer[sample]!;
        for (let h = 0; h < heads; h++, at += headDim) {
          const first = (h * capacity + t) * headDim;
          data.set(entries.subarray(first, first + headDim), at);
        }
      }
    }
  }
  return { data, channels };
}
