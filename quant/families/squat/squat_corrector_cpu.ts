/**
 * Corrects keys in host memory.
 *
 * @module
 */
import { scaleOf, zeroOf } from "../../stores/affine/affine_group.ts";
import { affineRange } from "../../stores/affine/affine_settings.ts";
import type { Source } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { roundToHalf } from "../../packing/half.ts";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { secondMoment } from "../../numerics/second_moment.ts";
import { RecentlyUsed } from "../../numerics/recently_used.ts";
import { preRopeOf, rotateHead } from "../../stores/rope/rope_restore.ts";
import { correctBlock, correctsInKernels } from "./squat_group.ts";
import type { KeyCorrector } from "./squat_key_store.ts";
import {
  type CorrectionBlock,
  correctionBlocks,
  queriesOf,
  type SquatCorrection,
  type SquatSettings,
} from "./squat_settings.ts";
import { squatCorrections } from "./squat_subspace.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/**
 * Bounds that no real cache comes near: entries beyond the range of stored parameters are restored
 * far off, and what that adds to others must stay finite.
 */
const MOST_ERROR = 1e34;
const MOST_VALUE = 3.4e38;

/** Bytes of corrections that are kept for each layer: a policy may ask for others at every step. */
const KEPT_BYTES = 4 * 2 ** 20;

/** Corrections by queries: the policies of a run that ask for the same share them. */
const known = new WeakMap<CpuTensor, RecentlyUsed<readonly Float64Array[]>>();

/** Corrects keys of one layer in host memory. `correct` throws at once on non-finite input. */
export class SquatCorrectorCpu implements KeyCorrector<CpuTensor> {
  readonly corrected: CpuTensor;
  readonly #source: Source<CpuTensor>;
  readonly #keys: CpuTensor;
  readonly #settings: SquatSettings;
  readonly #correction: SquatCorrection;
  readonly #blocks: readonly CorrectionBlock[];
  readonly #kernels: boolean;
  #corrections: readonly Float64Array[] | undefined;
  /** The same, block after block, with each matrix transposed. */
  #transposed: readonly Float64Array[] | undefined;

  constructor(
    source: Source<CpuTensor>,
    settings: SquatSettings,
    correction: SquatCorrection,
    tokens: number,
  ) {
    this.#source = source;
    this.#settings = settings;
    this.#correction = correction;
    this.#keys = correction.keyRope === "before" ? preRopeOf(source).tensor : source.tensor;
    const { heads, headDim } = source.tensor;
    this.#blocks = correctionBlocks(headDim, correction.blockChannels);
    this.#kernels = correctsInKernels(this.#blocks, correction.blockChannels);
    const capacity = affineRange(settings, tokens).to;
    this.corrected = {
      heads,
      capacity,
      headDim,
      data: new Float32Array(heads * capacity * headDim),
    };
  }

  correct(from: number, to: number): void {
    const { data, capacity, headDim, heads } = this.#keys;
    throwIfNotFinite(this.#source, this.#keys, from, to);
    if (this.#blocks.length > 0) {
      this.#corrections ??= correctionsOf(this.#source, this.#correction);
      if (this.#kernels) {
        this.#transposed ??= this.#corrections.map((head) => this.#transpose(head));
      }
    }
    const { groupSize } = this.#settings;
    for (let head = 0; head < heads; head++) {
      const start = (head * capacity + from) * headDim;
      const at = (head * this.corrected.capacity + from) * headDim;
      this.corrected.data.set(data.subarray(start, start + (to - from) * headDim), at);
      for (let token = from; token < to; token += groupSize) this.#correctGroup(head, token);
    }
  }

  rotate({ heads, capacity, headDim, data }: CpuTensor, range: TokenRange): void {
    if (this.#correction.keyRope === "after") return;
    const { rope } = preRopeOf(this.#source);
    for (let head = 0; head < heads; head++) {
      for (let token = range.from; token < range.to; token++) {
        const at = (head * capacity + token) * headDim;
        rotateHead(data.slice(at, at + headDim), 0, rope, token, headDim, data, at);
      }
    }
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  free(): void {}

  #transpose(head: Float64Array): Float64Array {
    const { blockChannels } = this.#correction;
    const out = new Float64Array(head.length);
    for (const { later, offset } of this.#blocks) {
      for (let j = 0; j < later; j++) {
        for (let i = 0; i < blockChannels; i++) {
          out[offset + i * later + j] = head[offset + j * blockChannels + i]!;
        }
      }
    }
    return out;
  }

  /** Goes through the channels of one head and group of tokens, block by block. */
  #correctGroup(head: number, token: number): void {
    const { capacity, headDim, data } = this.corrected;
    const { groupSize, topCodes } = this.#settings;
    const { blockChannels } = this.#correction;
    const base = (head * capacity + token) * headDim;
    const rows = data.subarray(base, base + groupSize * headDim);
    const bounds = { error: MOST_ERROR, value: MOST_VALUE };
    for (const block of this.#blocks) {
      const { offset, later } = block;
      const matrix = this.#transposed?.[head]?.subarray(offset, offset + later * blockChannels);
      const done = matrix !== undefined && correctBlock(
        rows,
        headDim,
        block,
        blockChannels,
        matrix,
        topCodes[head]!,
        this.#settings,
        bounds,
      );
      if (!done) this.#correctBlock(head, rows, block);
    }
  }

  /** Passes on what the channels of one block leave over, entry by entry. */
  #correctBlock(
    head: number,
    rows: Float32Array,
    { firstChannel, later, offset }: CorrectionBlock,
  ): void {
    const { headDim } = this.corrected;
    const { groupSize, topCodes, paramDtype } = this.#settings;
    const { blockChannels } = this.#correction;
    const rule = this.#settings;
    const topCode = topCodes[head]!;
    const stored = paramDtype === "f16" ? roundToHalf : Math.fround;
    const errors = new Float64Array(groupSize * blockChannels);
    const update = new Float64Array(groupSize * later);
    for (let i = 0; i < blockChannels; i++) {
      const first = firstChannel + i;
      let low = Infinity;
      let high = -Infinity;
      for (let at = first; at < rows.length; at += headDim) {
        const x = rows[at]!;
        if (x < low) low = x;
        if (x > high) high = x;
      }
      const zero = zeroOf(low, rule);
      const scale = scaleOf(zero, high, topCode, rule);
      const [storedScale, storedZero] = [stored(scale), stored(zero)];
      // Codes as in affine_group.ts, but for ties.
      const steps = scale > 0 && scale < Infinity ? 1 / scale : 0;
      for (let t = i, at = first; at < rows.length; t += blockChannels, at += headDim) {
        const x = rows[at]!;
        const code = ((x - zero) * steps + ROUND - ROUND) | 0;
        const error = Math.min(Math.max(code, 0), topCode) * storedScale + storedZero - x;
        errors[t] = Math.min(Math.max(error, -MOST_ERROR), MOST_ERROR);
      }
    }
    const matrix = this.#corrections![head]!.subarray(offset, offset + later * blockChannels);
    multiplyRows(errors, groupSize, matrix, later, blockChannels, update);
    for (let t = 0; t < groupSize; t++) {
      const row = (t + 1) * headDim - later;
      for (let j = 0; j < later; j++) {
        const sum = rows[row + j]! + update[t * later + j]!;
        rows[row + j] = sum > MOST_VALUE ? MOST_VALUE : sum < -MOST_VALUE ? -MOST_VALUE : sum;
      }
    }
  }
}

function throwIfNotFinite(
  source: Source<CpuTensor>,
  keys: CpuTensor,
  from: number,
  to: number,
): void {
  const { data, heads, capacity, headDim } = keys;
  // 0 times anything finite is 0. Two sums, as each waits for the one before.
  let [sum, other] = [0, 0];
  for (let head = 0; head < heads; head++) {
    const start = (head * capacity + from) * headDim;
    const end = start + (to - from) * headDim;
    for (let i = start; i + 1 < end; i += 2) {
      sum += data[i]! * 0;
      other += data[i + 1]! * 0;
    }
    sum += data[end - 1]! * 0;
  }
  if (sum + other !== 0) throwNotFinite(source, keys, from, to);
}

/** The corrections of every KV head. */
function correctionsOf(
  source: Source<CpuTensor>,
  correction: SquatCorrection,
): readonly Float64Array[] {
  const queries = queriesOf(source);
  let byKey = known.get(queries);
  if (byKey === undefined) {
    byKey = new RecentlyUsed(
      KEPT_BYTES,
      (heads) => heads.reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
    known.set(queries, byKey);
  }
  return byKey.get(JSON.stringify([correction, source.promptTokens]), () => {
    const { heads, headDim } = source.tensor;
    return Array.from({ length: heads }, (_, head) => {
      const rows = promptQueries(source, queries, head, correction);
      const count = rows.length / headDim;
      const gram = count === 0
        ? new Float64Array(headDim * headDim)
        : secondMoment(rows, headDim).map((mean) => mean * count);
      return squatCorrections(gram, count, headDim, correction);
    });
  });
}

/** The queries of all query heads that read a KV head, over the prompt, `[count][headDim]`. */
function promptQueries(
  source: Source<CpuTensor>,
  queries: CpuTensor,
  head: number,
  { queryRope }: SquatCorrection,
): Float64Array {
  const { headDim, capacity, data } = queries;
  const { promptTokens } = source;
  const shared = queries.heads / source.tensor.heads;
  const rows = new Float64Array(shared * promptTokens * headDim);
  for (let q = 0; q < shared; q++) {
    const from = (head * shared + q) * capacity * headDim;
    rows.set(data.subarray(from, from + promptTokens * headDim), q * promptTokens * headDim);
  }
  if (queryRope === "after") return rows;
  const { cos, sin } = preRopeOf(source).rope;
  const half = headDim / 2;
  for (let row = 0; row < shared * promptTokens; row++) {
    const token = row % promptTokens;
    for (let i = 0, at = row * headDim; i < half; i++, at++) {
      const [c, s] = [cos.data[token * half + i]!, sin.data[token * half + i]!];
      const [a, b] = [rows[at]!, rows[at + half]!];
      rows[at] = a * c + b * s;
      rows[at + half] = b * c - a * s;
    }
  }
  return rows;
}
