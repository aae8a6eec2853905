/**
 * Restores the groups of consecutive units into a tensor: the inner loops of the affine families on
 * the CPU, with the results of `affine_group.ts`.
 *
 * @module
 */
import { type AffineRule, valueOf } from "./affine_group.ts";
import { unpackRow } from "./bit_packing.ts";
import type { RunPlan } from "./run_plan.ts";

/** Values of all codes of a group. */
const levels = new Float32Array(256);

/**
 * Restores the band `plan` of `units` units.
 *
 * @param words packed codes; `word` is the index of the first unit
 * @param scales stored scales of the units' groups, index 0 being the first unit's first
 * @param first index in `data` of the band's first entry of the first unit
 * @param codes room for the codes of a row
 */
export function restoreUnits(
  plan: RunPlan,
  words: Uint32Array,
  word: number,
  scales: Float32Array,
  zeros: Float32Array,
  arithmetic: AffineRule["arithmetic"],
  data: Float32Array,
  first: number,
  units: number,
  codes: Int32Array,
): void {
  const { offsets, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
  const { bits, unitWords, wordOffset, runWords, rowCodes, rowWords } = plan;
  const byLevels = 2 ** bits <= plan.runCodes * runsPerGroup;
  for (let unit = 0; unit < units; unit++) {
    let at = word + unit * unitWords + wordOffset;
    let group = unit * unitGroups + groupOffset;
    const base = first + unit * unitStep;
    let position = 0;
    for (let run = 0; run < offsets.length; group++) {
      const scale = scales[group]!;
      const zero = zeros[group]!;
      if (byLevels) {
        if (arithmetic === "f32") {
          for (let code = 0; code < 1 << bits; code++) {
            levels[code] = Math.fround(code * scale) + zero;
          }
        } else {
          for (let code = 0; code < 1 << bits; code++) {
            levels[code] = valueOf(code, scale, zero, arithmetic);
          }
        }
      }
      for (const end = run + runsPerGroup; run < end; run++) {
        const start = base + offsets[run]!;
        if (runWords > 0 && byLevels) {
          restoreRun(plan, words, at, data, start);
          at += runWords;
          continue;
        }
        if (position === 0) {
          unpackRow(words, at, rowCodes, bits, codes);
          at += rowWords;
        }
        const stop = start + plan.runCodes * plan.stride;
        if (byLevels) {
          for (let i = start; i < stop; i += plan.stride) data[i] = levels[codes[position++]!]!;
        } else if (arithmetic === "f32") {
          for (let i = start; i < stop; i += plan.stride) {
            data[i] = Math.fround(codes[position++]! * scale) + zero;
          }
        } else {
          for (let i = start; i < stop; i += plan.stride) {
            data[i] = valueOf(codes[position++]!, scale, zero, arithmetic);
          }
        }
        if (position === rowCodes) position = 0;
      }
    }
  }
}

/** Restores a run of whole words through the group's levels. */
function restoreRun(
  { bits, stride, runWords }: RunPlan,
  words: Uint32Array,
  at: number,
  data: Float32Array,
  start: number,
): void {
  let i = start;
  if (bits === 2) {
    for (const end = at + runWords; at < end; at++) {
      let word = words[at]!;
      for (let quarter = 0; quarter < 4; quarter++, word >>>= 8, i += 4 * stride) {
        data[i] = levels[word & 3]!;
        data[i + stride] = levels[word >>> 2 & 3]!;
        data[i + 2 * stride] = levels[word >>> 4 & 3]!;
        data[i + 3 * stride] = levels[word >>> 6 & 3]!;
      }
    }
  } else if (bits === 4) {
    for (const end = at + runWords; at < end; at++, i += 8 * stride) {
      const word = words[at]!;
      data[i] = levels[word & 15]!;
      data[i + stride] = levels[word >>> 4 & 15]!;
      data[i + 2 * stride] = levels[word >>> 8 & 15]!;
      data[i + 3 * stride] = levels[word >>> 12 & 15]!;
      data[i + 4 * stride] = levels[word >>> 16 & 15]!;
      data[i + 5 * stride] = levels[word >>> 20 & 15]!;
      data[i + 6 * stride] = levels[word >>> 24 & 15]!;
      data[i + 7 * stride] = levels[word >>> 28]!;
    }
  } else {
    const mask = (1 << bits) - 1;
    for (const end = at + runWords; at < end; at++) {
      const word = words[at]!;
      for (let shift = 0; shift < 32; shift += bits, i += stride) {
        data[i] = levels[word >>> shift & mask]!;
      }
    }
  }
}
