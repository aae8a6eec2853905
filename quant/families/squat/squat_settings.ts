/**
 * Settings of the family `squat`.
 *
 * @module
 */
import type { AffineSettings } from "../../stores/affine/affine_settings.ts";
import type { Source } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import type { KvShape } from "../../tensor.ts";

/** What keys are corrected towards. */
export interface SquatCorrection {
  /** Singular vectors of the prompt's queries that are kept. */
  readonly subspaceDim: number;
  /** Weight of errors inside the subspace. */
  readonly lambda: number;
  /** Channels that are quantized together before the rest is corrected. */
  readonly blockChannels: number;
  /** Queries after RoPE, or before. */
  readonly queryRope: "after" | "before";
  /** Keys quantized after RoPE, or before. */
  readonly keyRope: "after" | "before";
}

/** The family's options, for keys. */
export interface SquatOptions {
  /** Singular vectors of the prompt's queries that are kept. */
  readonly subspace_dim: number;
  /** Weight of errors inside the subspace. */
  readonly lambda: number;
  /** Channels that are quantized together before the rest is corrected. */
  readonly quant_group_size?: number;
  /** Whether the queries that span the subspace are those after RoPE. */
  readonly query_rope: "after" | "before";
  /** Whether keys are quantized after RoPE. */
  readonly key_rope: "after" | "before";
}

/** Settings of one layer and kind under `squat`; values have no correction. */
export interface SquatSettings extends AffineSettings {
  readonly correction?: SquatCorrection;
}

/**
 * The queries of the prompt that read each KV head.
 *
 * @throws {QuantizerError} when the source has none, or heads do not match
 */
export function queriesOf<T extends KvShape>(source: Source<T>): T {
  const { queries, tensor, layer } = source;
  if (queries === undefined) {
    throw new QuantizerError(
      `Layer ${layer} keys are to be corrected towards the queries, but no queries are at hand`,
    );
  }
  if (queries.heads % tensor.heads !== 0 || queries.headDim !== tensor.headDim) {
    throw new QuantizerError(
      `Layer ${layer} has ${queries.heads} query heads of ${queries.headDim} channels, which do ` +
        `not share ${tensor.heads} KV heads of ${tensor.headDim}`,
    );
  }
  return queries;
}

/** Where the correction of a block of channels starts among a head's, and how many numbers it has. */
export interface CorrectionBlock {
  readonly firstChannel: number;
  /** Channels behind the block, which it corrects. */
  readonly later: number;
  /** Index of its first number among the head's. */
  readonly offset: number;
}

/** The blocks that correct others: all but the last. */
export function correctionBlocks(headDim: number, blockChannels: number): CorrectionBlock[] {
  const blocks: CorrectionBlock[] = [];
  let offset = 0;
  for (let first = 0; first + blockChannels < headDim; first += blockChannels) {
    const later = headDim - first - blockChannels;
    blocks.push({ firstChannel: first, later, offset });
    offset += blockChannels * later;
  }
  return blocks;
}

/** Numbers that a head's corrections have. */
export function correctionSize(headDim: number, blockChannels: number): number {
  const last = correctionBlocks(headDim, blockChannels).at(-1);
  return last === undefined ? 0 : last.offset + blockChannels * last.later;
}
