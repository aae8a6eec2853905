/**
 * Where the entries of a band's groups lie in a tensor, as *runs*: entries at one fixed stride. The
 * runs of all bands and units look the same but for an offset, so that loops over them stay simple.
 *
 * @module
 */
import type { Band, GroupLayout } from "./group_layout.ts";
import type { KvShape } from "../../tensor.ts";

/** The runs of one band of a layout in a tensor of a given capacity. */
export interface RunPlan {
  /** Index of the first entry of each run of a unit, relative to the band's first entry of it. */
  readonly offsets: Int32Array;
  /** Distance between the entries of a run. */
  readonly stride: number;
  /** Entries of a run. */
  readonly runCodes: number;
  /** Consecutive runs that make up a group. */
  readonly runsPerGroup: number;
  /** Distance between the first entries of consecutive units. */
  readonly unitStep: number;
  /** Index of the band's first entry of token 0. */
  readonly base: number;
  /** Width of a code. */
  readonly bits: number;
  /** Largest code. */
  readonly topCode: number;
  /** Groups of a whole unit. */
  readonly unitGroups: number;
  /** The band's first group among those of a unit. */
  readonly groupOffset: number;
  /** Words of a whole unit. */
  readonly unitWords: number;
  /** The band's first word among those of a unit. */
  readonly wordOffset: number;
  /** Codes of a row. */
  readonly rowCodes: number;
  /** Words of a row. */
  readonly rowWords: number;
}

/** Plans the runs of `band` in a tensor of this shape. */
export function runPlan(layout: GroupLayout, band: Band, shape: KvShape): RunPlan {
  const { headDim, runCodes, groupSize, unitTokens, unitGroups, unitWords, axis } = layout;
  const { bits, topCode, groupOffset, wordOffset, rowCodes, rowWords } = band;
  const runs = band.rows * rowCodes / runCodes;
  const offsets = Int32Array.from({ length: runs }, (_, run) => {
    if (axis === "channel") return run;
    const code = run * runCodes;
    return Math.floor(code / headDim) * shape.capacity * headDim + code % headDim;
  });
  return {
    offsets,
    stride: axis === "token" ? 1 : headDim,
    runCodes,
    runsPerGroup: groupSize / runCodes,
    unitStep: unitTokens * headDim,
    base: band.firstHead * shape.capacity * headDim,
    bits,
    topCode,
    unitGroups,
    groupOffset,
    unitWords,
    wordOffset,
    rowCodes,
    rowWords,
  };
}
