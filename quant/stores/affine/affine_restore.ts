/**
 * Restores the groups of consecutive units into a tensor: the inner loops of the affine families on
 * the CPU, with the results of `affine_group.ts`.
 *
 * @module
 */
import { type AffineRule, valueOf } from "./affine_group.ts";
import { unpackRow } from "../../packing/bit_packing.ts";
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
  const byFours = plan.runCodes % 4 === 0 && arithmetic === "f32";
  if (byFours) restoreByFours(plan, words, word, scales, zeros, data, first, units);
  else restoreRows(plan, words, word, scales, zeros, arithmetic, data, first, units, codes);
}

/** Restores four codes at a time, in float32; runs hold a multiple of four. */
function restoreByFours(
  plan: RunPlan,
  words: Uint32Array,
  word: number,
  scales: Float32Array,
  zeros: Float32Array,
  data: Float32Array,
  first: number,
  units: number,
): void {
  const { offsets, stride, runCodes, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
  const { bits, unitWords, wordOffset } = plan;
  const mask = (1 << bits) - 1;
  const bits2 = 2 * bits;
  const bits3 = 3 * bits;
  const bits4 = 4 * bits;
  const stride2 = 2 * stride;
  const stride3 = 3 * stride;
  const stride4 = 4 * stride;
  const rowRuns = plan.rowCodes / runCodes;
  // A table pays when a group holds many more entries than there are codes.
  const byLevels = 2 * mask < runCodes * runsPerGroup;
  const wholeWords = byLevels && (bits === 2 || bits === 4) && runCodes * bits % 32 === 0;
  for (let unit = 0; unit < units; unit++) {
    let at = word + unit * unitWords + wordOffset;
    let group = unit * unitGroups + groupOffset;
    const base = first + unit * unitStep;
    let rowEnd = rowRuns;
    let used = 0;
    for (let run = 0; run < offsets.length; group++) {
      const scale = scales[group]!;
      const zero = zeros[group]!;
      if (byLevels) {
        for (let code = 0; code <= mask; code++) levels[code] = Math.fround(code * scale) + zero;
      }
      for (const end = run + runsPerGroup; run < end;) {
        const start = base + offsets[run]!;
        const stop = start + runCodes * stride;
        if (wholeWords) {
          at = restoreWholeWords(words, at, bits, data, start, stop, stride);
          run++;
          continue;
        }
        for (let i = start; i < stop; i += stride4) {
          let four = words[at]! >>> used;
          used += bits4;
          if (used >= 32) {
            at++;
            used -= 32;
            if (used > 0) four |= words[at]! << (bits4 - used);
          }
          if (byLevels) {
            data[i] = levels[four & mask]!;
            data[i + stride] = levels[four >>> bits & mask]!;
            data[i + stride2] = levels[four >>> bits2 & mask]!;
            data[i + stride3] = levels[four >>> bits3 & mask]!;
          } else {
            data[i] = Math.fround((four & mask) * scale) + zero;
            data[i + stride] = Math.fround((four >>> bits & mask) * scale) + zero;
            data[i + stride2] = Math.fround((four >>> bits2 & mask) * scale) + zero;
            data[i + stride3] = Math.fround((four >>> bits3 & mask) * scale) + zero;
          }
        }
        run++;
        if (run === rowEnd) {
          if (used > 0) at++;
          rowEnd += rowRuns;
          used = 0;
        }
      }
    }
  }
}

/**
 * Restores a run of whole words of 2-bit or 4-bit codes through `levels`.
 *
 * @returns index of the word after the run
 */
function restoreWholeWords(
  words: Uint32Array,
  at: number,
  bits: number,
  data: Float32Array,
  start: number,
  stop: number,
  stride: number,
): number {
  if (bits === 2) {
    for (let i = start; i < stop;) {
      let word = words[at++]!;
      for (let quarter = 0; quarter < 4; quarter++, word >>>= 8, i += 4 * stride) {
        data[i] = levels[word & 3]!;
        data[i + stride] = levels[word >>> 2 & 3]!;
        data[i + 2 * stride] = levels[word >>> 4 & 3]!;
        data[i + 3 * stride] = levels[word >>> 6 & 3]!;
      }
    }
    return at;
  }
  for (let i = start; i < stop; i += 8 * stride) {
    const word = words[at++]!;
    data[i] = levels[word & 15]!;
    data[i + stride] = levels[word >>> 4 & 15]!;
    data[i + 2 * stride] = levels[word >>> 8 & 15]!;
    data[i + 3 * stride] = levels[word >>> 12 & 15]!;
    data[i + 4 * stride] = levels[word >>> 16 & 15]!;
    data[i + 5 * stride] = levels[word >>> 20 & 15]!;
    data[i + 6 * stride] = levels[word >>> 24 & 15]!;
    data[i + 7 * stride] = levels[word >>> 28]!;
  }
  return at;
}

/** Restores row by row: runs of any length, any arithmetic. */
function restoreRows(
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
  const { offsets, stride, runCodes, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
  const { bits, unitWords, wordOffset, rowCodes, rowWords } = plan;
  for (let unit = 0; unit < units; unit++) {
    let at = word + unit * unitWords + wordOffset;
    const base = first + unit * unitStep;
    let position = 0;
    for (let run = 0; run < offsets.length; run++) {
      if (position === 0) {
        unpackRow(words, at, rowCodes, bits, codes);
        at += rowWords;
      }
      const group = unit * unitGroups + groupOffset + Math.floor(run / runsPerGroup);
      const scale = scales[group]!;
      const zero = zeros[group]!;
      const start = base + offsets[run]!;
      for (let i = start, stop = start + runCodes * stride; i < stop; i += stride) {
        data[i] = valueOf(codes[position++]!, scale, zero, arithmetic);
      }
      if (position === rowCodes) position = 0;
    }
  }
}
