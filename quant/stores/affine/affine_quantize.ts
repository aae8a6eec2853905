/**
 * Quantizes the groups of consecutive units of a tensor: the inner loops of the affine families on
 * the CPU, with the results of `affine_group.ts`.
 *
 * @module
 */
import { type AffineRule, codeOf, scaleOf, zeroOf } from "./affine_group.ts";
import { packRow } from "../../packing/bit_packing.ts";
import type { RunPlan } from "./run_plan.ts";

/** One code step in the fixed-point numbers of the inner loop. */
const ONE = 65536;
const HALF = 32768;

/** Ranges and parameters of the groups of some units, and room for their codes. */
export class GroupBatch {
  /** Unrounded float32 scales. */
  readonly scales: Float32Array;
  /** Unrounded float32 zero points. */
  readonly zeros: Float32Array;
  /** Smallest and largest entries, as values and as their bits. */
  readonly #lowValues: Float32Array;
  readonly #highValues: Float32Array;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  /** Fixed-point steps per unit of value: `ONE / scale`. */
  readonly #steps: Float64Array;
  readonly #codes: Int32Array;
  readonly #rule: AffineRule;

  /**
   * Makes room for the groups of a batch.
   *
   * @param groups most groups of a batch
   * @param rowCodes codes of the longest row
   */
  constructor(groups: number, rowCodes: number, rule: AffineRule) {
    this.scales = new Float32Array(groups);
    this.zeros = new Float32Array(groups);
    this.#lowValues = new Float32Array(groups);
    this.#highValues = new Float32Array(groups);
    this.#low = new Int32Array(this.#lowValues.buffer);
    this.#high = new Int32Array(this.#highValues.buffer);
    this.#steps = new Float64Array(groups);
    this.#codes = new Int32Array(rowCodes);
    this.#rule = rule;
  }

  /**
   * Quantizes the band `plan` of `units` units. Their parameters go to index 0 and up of `scales`
   * and `zeros`, their codes to `words`.
   *
   * @param bits the tensor `data` seen as integers
   * @param first index of the band's first entry of the first unit
   * @param word index in `words` of the first unit
   * @returns false when an entry is NaN or infinite
   */
  quantize(
    plan: RunPlan,
    data: Float32Array,
    bits: Int32Array,
    first: number,
    units: number,
    words: Uint32Array,
    word: number,
  ): boolean {
    if (!this.#collectRanges(plan, bits, first, units)) return false;
    const exact = !this.#setParameters(plan, units);
    if (plan.runCodes % 4 === 0 && !exact) this.#pack(plan, data, first, units, words, word);
    else this.#packRows(plan, data, first, units, words, word, exact);
    return true;
  }

  /**
   * Float32 values compare like integer keys: the bits themselves for positive values, the bits
   * with all but the sign inverted for negative ones. V8 compiles the integer minimum to a
   * conditional move, while a float comparison branches and is mispredicted at every new extreme.
   * NaN and infinities are the outermost keys.
   */
  #collectRanges(plan: RunPlan, bits: Int32Array, first: number, units: number): boolean {
    const { offsets, stride, runCodes, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
    const [stride2, stride3, stride4] = [2 * stride, 3 * stride, 4 * stride];
    const lows = this.#low;
    const highs = this.#high;
    let lowest = 0x7fffffff;
    let highest = -0x80000000;
    for (let unit = 0; unit < units; unit++) {
      let group = unit * unitGroups + groupOffset;
      const base = first + unit * unitStep;
      for (let run = 0; run < offsets.length; group++) {
        // Two chains, as each minimum waits for the one before.
        let low = 0x7fffffff;
        let low2 = low;
        let high = -0x80000000;
        let high2 = high;
        for (const end = run + runsPerGroup; run < end; run++) {
          const start = base + offsets[run]!;
          const stop = start + runCodes * stride;
          let i = start;
          for (const most = stop - stride3; i < most; i += stride4) {
            const a = bits[i]!;
            const b = bits[i + stride]!;
            const c = bits[i + stride2]!;
            const d = bits[i + stride3]!;
            const keyA = a ^ ((a >> 31) & 0x7fffffff);
            const keyB = b ^ ((b >> 31) & 0x7fffffff);
            const keyC = c ^ ((c >> 31) & 0x7fffffff);
            const keyD = d ^ ((d >> 31) & 0x7fffffff);
            low = Math.min(low, keyA);
            low2 = Math.min(low2, keyB);
            high = Math.max(high, keyA);
            high2 = Math.max(high2, keyB);
            low = Math.min(low, keyC);
            low2 = Math.min(low2, keyD);
            high = Math.max(high, keyC);
            high2 = Math.max(high2, keyD);
          }
          for (; i < stop; i += stride) {
            const a = bits[i]!;
            const key = a ^ ((a >> 31) & 0x7fffffff);
            low = Math.min(low, key);
            high = Math.max(high, key);
          }
        }
        low = Math.min(low, low2);
        high = Math.max(high, high2);
        lows[group] = low ^ ((low >> 31) & 0x7fffffff);
        highs[group] = high ^ ((high >> 31) & 0x7fffffff);
        lowest = Math.min(lowest, low);
        highest = Math.max(highest, high);
      }
    }
    return lowest > -0x7f800001 && highest < 0x7f800000;
  }

  /** Returns whether the fixed-point loop is good for every group. */
  #setParameters(plan: RunPlan, units: number): boolean {
    const { offsets, runsPerGroup, unitGroups, groupOffset, topCode } = plan;
    const groups = offsets.length / runsPerGroup;
    const lows = this.#lowValues;
    const highs = this.#highValues;
    const { scales, zeros } = this;
    const rule = this.#rule;
    const half = rule.arithmetic === "f16";
    const clipRatio = Math.fround(rule.clipRatio);
    const scaleFloor = Math.fround(rule.scaleFloor);
    let largest = 0;
    for (let unit = 0; unit < units; unit++) {
      const from = unit * unitGroups + groupOffset;
      for (let group = from; group < from + groups; group++) {
        const low = lows[group]!;
        const high = highs[group]!;
        if (half) {
          const zero = zeroOf(low, rule);
          zeros[group] = zero;
          scales[group] = scaleOf(zero, high, topCode, rule);
          continue;
        }
        // zeroOf and scaleOf for float32; through a call they take longer than the codes.
        const zero = Math.fround(low * clipRatio);
        const range = Math.fround(Math.fround(high * clipRatio) - zero);
        let scale = Math.fround(range / topCode);
        if (scale < scaleFloor) scale = scaleFloor;
        zeros[group] = zero;
        scales[group] = scale;
        // No steps at all give code 0, as a group of scale 0 must have.
        const steps = scale === 0 || scale === Infinity ? 0 : ONE / scale;
        this.#steps[group] = steps;
        // Clipped entries may lie outside the codes, but must fit the fixed-point numbers.
        const above = (high - zero) * steps;
        const below = (zero - low) * steps;
        if (above > largest) largest = above;
        if (below > largest) largest = below;
      }
    }
    // The range check of the fixed-point loop takes codes up to the full width.
    return !half && topCode === 2 ** plan.bits - 1 && largest <= 2 ** 30;
  }

  /** Codes and packs four codes at a time; runs hold a multiple of four. */
  #pack(
    plan: RunPlan,
    data: Float32Array,
    first: number,
    units: number,
    words: Uint32Array,
    word: number,
  ): void {
    const { offsets, stride, runCodes, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
    const { bits, topCode, unitWords, wordOffset } = plan;
    const bits2 = 2 * bits;
    const bits3 = 3 * bits;
    const bits4 = 4 * bits;
    const codeRange = 16 + bits;
    const stride2 = 2 * stride;
    const stride3 = 3 * stride;
    const stride4 = 4 * stride;
    const rowRuns = plan.rowCodes / runCodes;
    const zeros = this.zeros;
    const allSteps = this.#steps;
    for (let unit = 0; unit < units; unit++) {
      let group = unit * unitGroups + groupOffset;
      let at = word + unit * unitWords + wordOffset;
      const base = first + unit * unitStep;
      let rowEnd = rowRuns;
      let packed = 0;
      let filled = 0;
      for (let run = 0; run < offsets.length; group++) {
        const steps = allSteps[group]!;
        const offset = HALF - zeros[group]! * steps;
        for (const end = run + runsPerGroup; run < end;) {
          const start = base + offsets[run]!;
          for (let i = start, stop = start + runCodes * stride; i < stop; i += stride4) {
            // Steps above zero, plus one half, with 16 fraction bits, in double precision.
            // Float32 arithmetic rounds the difference and the quotient, by 2^-24 of either:
            // less than 2 units of the last fraction bit, as codes are at most 255. So the
            // integer parts agree unless the fraction is within 4 units of 0 or 1. Then, and
            // that includes the ties, the code is computed again in float32. (Taking the zero
            // point off last loses nothing: unequal float32 entries differ by 2^-24 of their size
            // or more, so an entry is below 2^32 steps and its product off by 2^-4 units at most.)
            const a = (data[i]! * steps + offset) | 0;
            const b = (data[i + stride]! * steps + offset) | 0;
            const c = (data[i + stride2]! * steps + offset) | 0;
            const d = (data[i + stride3]! * steps + offset) | 0;
            let four;
            if (
              ((a + 4) & 0xfff8) === 0 || ((b + 4) & 0xfff8) === 0 ||
              ((c + 4) & 0xfff8) === 0 || ((d + 4) & 0xfff8) === 0
            ) {
              four = this.#fourCodes(plan, data, i, group);
            } else if ((a | b | c | d) >>> codeRange !== 0) {
              four = Math.min(Math.max(a >> 16, 0), topCode) |
                Math.min(Math.max(b >> 16, 0), topCode) << bits |
                Math.min(Math.max(c >> 16, 0), topCode) << bits2 |
                Math.min(Math.max(d >> 16, 0), topCode) << bits3;
            } else {
              four = a >> 16 | b >> 16 << bits | c >> 16 << bits2 | d >> 16 << bits3;
            }
            packed |= four << filled;
            filled += bits4;
            if (filled >= 32) {
              words[at++] = packed;
              filled -= 32;
              // What did not fit; a shift by the full width would be a shift by 0.
              packed = filled === 0 ? 0 : four >>> (bits4 - filled);
            }
          }
          run++;
          if (run === rowEnd) {
            if (filled > 0) words[at++] = packed;
            rowEnd += rowRuns;
            packed = 0;
            filled = 0;
          }
        }
      }
    }
  }

  #fourCodes({ bits, stride }: RunPlan, data: Float32Array, base: number, group: number): number {
    const scale = this.scales[group]!;
    const zero = this.zeros[group]!;
    let packed = 0;
    for (let j = 0; j < 4; j++) {
      const code = codeOf(data[base + j * stride]!, scale, zero, (1 << bits) - 1, "f32");
      packed |= code << (j * bits);
    }
    return packed;
  }

  /** Codes and packs row by row: runs of any length, and with `exact` any arithmetic. */
  #packRows(
    plan: RunPlan,
    data: Float32Array,
    first: number,
    units: number,
    words: Uint32Array,
    word: number,
    exact: boolean,
  ): void {
    const { offsets, stride, runCodes, runsPerGroup, unitStep, unitGroups, groupOffset } = plan;
    const { bits, topCode, unitWords, wordOffset, rowCodes, rowWords } = plan;
    const { arithmetic } = this.#rule;
    const codes = this.#codes;
    for (let unit = 0; unit < units; unit++) {
      let at = word + unit * unitWords + wordOffset;
      const base = first + unit * unitStep;
      let position = 0;
      for (let run = 0; run < offsets.length; run++) {
        const group = unit * unitGroups + groupOffset + Math.floor(run / runsPerGroup);
        const scale = this.scales[group]!;
        const zero = this.zeros[group]!;
        const steps = this.#steps[group]!;
        const offset = HALF - zero * steps;
        const start = base + offsets[run]!;
        for (let i = start, stop = start + runCodes * stride; i < stop; i += stride) {
          const x = data[i]!;
          const fixed = (x * steps + offset) | 0;
          // See #pack.
          codes[position++] = exact || ((fixed + 4) & 0xfff8) === 0
            ? codeOf(x, scale, zero, topCode, arithmetic)
            : Math.min(Math.max(fixed >> 16, 0), topCode);
        }
        if (position === rowCodes) {
          packRow(codes, rowCodes, bits, words, at);
          at += rowWords;
          position = 0;
        }
      }
    }
  }
}
