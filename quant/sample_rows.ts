/**
 * Kept samples as vectors: channels of some layers or heads, a row for every token.
 *
 * @module
 */
import type { KeptSamples } from "./calibration.ts";
import type { KvKind } from "./family.ts";
import type { CpuTensor } from "./tensor.ts";

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
  const data = tokenRows(tensors, learnedTokens(positions, sinkTokens), 0, heads);
  return { data, channels: tensors.length * heads * headDim };
}

/** Which tokens of every sample are learned from: those that do not stay exact as sinks. */
export function learnedTokens(
  positions: KeptSamples["positions"],
  sinkTokens: number,
): readonly (readonly number[])[] {
  const chosen = (least: number) =>
    positions.map((own) => [...own.keys()].filter((i) => own[i]! >= least));
  const tokens = chosen(sinkTokens);
  // Where nothing but sinks was kept, they have to do.
  return tokens.every((own) => own.length === 0) ? chosen(0) : tokens;
}

/**
 * The vectors of heads `head .. head + size - 1` of some layers, `[tokens][layers][size][headDim]`.
 *
 * @param layers the tensors of each, one for every sample
 * @param tokens of every sample
 */
export function tokenRows(
  layers: readonly (readonly CpuTensor[])[],
  tokens: readonly (readonly number[])[],
  head: number,
  size: number,
): Float64Array {
  const { headDim } = layers[0]![0]!;
  const count = tokens.reduce((sum, own) => sum + own.length, 0);
  const rows = new Float64Array(count * layers.length * size * headDim);
  let at = 0;
  for (const [sample, own] of tokens.entries()) {
    for (const t of own) {
      for (const ofLayer of layers) {
        const { data, capacity } = ofLayer[sample]!;
        for (let h = head; h < head + size; h++, at += headDim) {
          const first = (h * capacity + t) * headDim;
          rows.set(data.subarray(first, first + headDim), at);
        }
      }
    }
  }
  return rows;
}
