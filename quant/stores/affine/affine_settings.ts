/**
 * Settings that the asymmetric (affine) families `uniform`, `kivi` and `skvq` resolve to.
 *
 * @module
 */
import type { AffineRule } from "./affine_group.ts";
import type { Axis, HookAnswers, Settings } from "../../family.ts";
import { type GroupLayout, groupLayout } from "./group_layout.ts";
import { checkDivides } from "../../setting_checks.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow, wholeBlocks } from "../../windows.ts";

/** Settings of one layer and kind under an affine family. */
export interface AffineSettings extends Settings, AffineRule {
  /** Direction of the groups. */
  readonly axis: Axis;
  /** Channels of a group on the token axis, tokens of a group on the channel axis. */
  readonly groupSize: number;
  /** Recent tokens kept exact; a multiple of `groupSize` on the channel axis. */
  readonly residualLength: number;
  /** First tokens kept exact. */
  readonly sinkTokens: number;
  /** Largest code per head. */
  readonly topCodes: readonly number[];
}

/** Largest code of each width: `2^bits - 1`. */
export function topCodes(bits: readonly number[]): number[] {
  return bits.map((width) => 2 ** width - 1);
}

/**
 * Settings with KIVI's arithmetic: scales and zeros in f16, codes over the whole range of a group, no
 * sink tokens.
 *
 * @throws {QuantizerError} when groups along a token do not divide a head
 */
export function affineSettings(
  family: string,
  answers: HookAnswers,
  groupSize: number,
  headDim: number,
): AffineSettings {
  const { layer, kind, bits, axis, residualLength } = answers;
  if (axis === "token") checkDivides(answers, groupSize, headDim, "channels of a head");
  return {
    family,
    layer,
    kind,
    bits,
    topCodes: topCodes(bits),
    paramDtype: "f16",
    axis,
    groupSize,
    residualLength: keptWindow(residualLength, { axis, groupSize }),
    sinkTokens: 0,
    clipRatio: 1,
    scaleFloor: 0,
    arithmetic: "f32",
  };
}

/**
 * Tokens of a snapshot of `n` tokens that are quantized: on the channel axis whole blocks of
 * `residualLength`, on the token axis all but sink and window.
 *
 * jy-yuan/KIVI, models/llama_kivi.py; cat538/SKVQ, KVcache_manager.py.
 */
export function affineRange(settings: AffineSettings, n: number): TokenRange {
  const { axis, residualLength, sinkTokens } = settings;
  return axis === "channel"
    ? wholeBlocks(n, residualLength, sinkTokens)
    : slidingWindow(n, residualLength, sinkTokens);
}

/**
 * A residual length as it can be kept: on the channel axis a multiple of the group, one group at
 * least.
 */
export function keptWindow(
  residualLength: number,
  { axis, groupSize }: Pick<AffineSettings, "axis" | "groupSize">,
): number {
  if (axis === "token") return residualLength;
  return Math.max(1, Math.ceil(residualLength / groupSize)) * groupSize;
}

/** Buffer layout under these settings. */
export function affineLayout(settings: AffineSettings, headDim: number): GroupLayout {
  return groupLayout({ ...settings, headDim });
}
