/**
 * What a cache under `transform` is told to be.
 *
 * @module
 */
import type { KvKind, Settings } from "../../family.ts";

/**
 * What becomes of a component: a step in standard deviations; `"absent"` leaves it out, `"exact"`
 * keeps it as a half-precision number, an outlier that would need too many symbols.
 */
export type ComponentStep = number | "absent" | "exact";

/** The family's options. */
export interface TransformOptions {
  /** Every component's step, block after block, in order of decreasing variance. */
  readonly steps?: unknown;
  /** Bits an entry that the streams of this layer and kind take at most, their ends included. */
  readonly most_bits?: number;
}

/**
 * What a policy may return from `calibrate` for this family: the option `steps` of every layer, keys
 * and values, `[layer][kind]`.
 */
export type TransformLesson = readonly Readonly<Record<KvKind, readonly ComponentStep[]>>[];

/**
 * Settings of one layer and kind under `transform`. `bits` are those of a code before it is entropy
 * coded, the same for all heads.
 */
export interface TransformSettings extends Settings {
  readonly heads: number;
  readonly headDim: number;
  /** Every component's step, block after block, in order of decreasing variance. */
  readonly steps: readonly ComponentStep[];
  /** Bits an entry that the streams take at most, their ends included; absent without a bound. */
  readonly mostBits?: number;
  /** Recent tokens kept exact, at least; tokens are quantized in groups of `GROUP_TOKENS`. */
  readonly residualLength: number;
  /** First tokens kept exact. */
  readonly sinkTokens: number;
  readonly calibrated: true;
}
