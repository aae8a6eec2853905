/**
 * Blocks in host memory: the reference implementation.
 *
 * @module
 */
import { packRow, unpackRow } from "../../packing/bit_packing.ts";
import type { BlockScheme, FittedBlock, GroupFit } from "./block_arithmetic.ts";
import {
  type BlockLayout,
  blockLayout,
  type BlockSegment,
  CODES_PER_PADDED_WORD,
  type GroupPlaces,
  groupPlaces,
} from "./block_layout.ts";
import {
  blockParameterWords,
  loadBlockParameters,
  storeBlockParameters,
} from "./block_parameters.ts";
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { blockBuffers, type PackedBlock } from "./packed_block.ts";
import type { CpuTensor } from "../../tensor.ts";

/** Adding and subtracting this rounds a double of modest size to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Values of all codes of a group. */
const levels = new Float32Array(256);

/** A block of a host tensor; quantized when it is made. */
export class BlockCpu implements PackedBlock<CpuTensor> {
  readonly buffers: readonly StoredBuffer[];
  readonly #layout: BlockLayout;
  readonly #scheme: BlockScheme;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #parameters: Uint32Array<ArrayBuffer>;

  /**
   * @param place layer and kind, for errors
   * @param tokens tokens of `tensor` to quantize; those at the end that fill no group are left out
   * @throws {QuantizerError} naming the first entry that is NaN or infinite
   */
  constructor(
    place: Pick<Source<CpuTensor>, "layer" | "kind">,
    tensor: CpuTensor,
    tokens: number,
    scheme: BlockScheme,
  ) {
    const layout = blockLayout(scheme, tensor, tokens);
    this.#layout = layout;
    this.#scheme = scheme;
    this.#codes = new Uint32Array(layout.words);
    this.#parameters = new Uint32Array(blockParameterWords(scheme.format, layout.groups));
    this.buffers = blockBuffers(layout, scheme.format, scheme.bits);
    const grouped = layout.joined ? compact(tensor, layout.tokens) : tensor;
    const block: FittedBlock = {
      layout,
      data: grouped.data,
      places: layout.segments.map((segment) => groupPlaces(layout, segment, grouped)),
      multipliers: new Float64Array(layout.groups),
      constants: new Float64Array(layout.groups),
      scales: new Float32Array(layout.groups),
      zeros: new Float32Array(layout.groups),
    };
    layout.segments.forEach((segment, i) => {
      if (!fitSegment(block, segment, block.places[i]!, scheme)) {
        throwNotFinite(place, tensor, 0, layout.tokens);
      }
    });
    scheme.arithmetic.refine?.(block);
    layout.segments.forEach((segment, i) => {
      packSegment(block, segment, block.places[i]!, scheme, this.#codes);
    });
    storeBlockParameters(scheme.format, block.scales, block.zeros, this.#parameters);
  }

  get tokens(): number {
    return this.#layout.tokens;
  }

  restore(target: CpuTensor): void {
    const layout = this.#layout;
    const { arithmetic, format } = this.#scheme;
    const scales = new Float32Array(layout.groups);
    const zeros = new Float32Array(layout.groups);
    loadBlockParameters(format, this.#parameters, scales, zeros);
    const grouped = layout.joined ? emptyCompact(layout) : target;
    for (const segment of layout.segments) {
      const places = groupPlaces(layout, segment, grouped);
      restoreSegment(layout, segment, places, this.#codes, scales, zeros, arithmetic, grouped.data);
    }
    if (layout.joined) spread(grouped, target);
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  contents(): Promise<readonly BufferContents[]> {
    const [codes, parameters] = this.buffers;
    return Promise.resolve([
      { role: codes!.role, words: this.#codes },
      { role: parameters!.role, words: this.#parameters },
    ]);
  }

  free(): void {}
}

/** The first `tokens` tokens of every head, without gaps. */
function compact({ heads, capacity, headDim, data }: CpuTensor, tokens: number): CpuTensor {
  const row = tokens * headDim;
  const out = new Float32Array(heads * row);
  for (let head = 0; head < heads; head++) {
    const from = head * capacity * headDim;
    out.set(data.subarray(from, from + row), head * row);
  }
  return { heads, capacity: tokens, headDim, data: out };
}

function emptyCompact({ heads, tokens, headDim }: BlockLayout): CpuTensor {
  return { heads, capacity: tokens, headDim, data: new Float32Array(heads * tokens * headDim) };
}

/** Writes a compact tensor to the first tokens of a roomier one. */
function spread({ heads, capacity, headDim, data }: CpuTensor, target: CpuTensor): void {
  const row = capacity * headDim;
  for (let head = 0; head < heads; head++) {
    target.data.set(
      data.subarray(head * row, (head + 1) * row),
      head * target.capacity * headDim,
    );
  }
}

/**
 * Fits every group of a segment; false when an entry is NaN or infinite. Float32 values are compared
 * through integer keys of the same order, see affine_quantize.ts.
 */
function fitSegment(
  { layout, data, multipliers, constants, scales, zeros }: FittedBlock,
  { groups, firstGroup, bits }: BlockSegment,
  { start, stride }: GroupPlaces,
  { arithmetic }: BlockScheme,
): boolean {
  const keys = new Int32Array(data.buffer, data.byteOffset, data.length);
  const span = layout.groupSize * stride;
  const topCode = 2 ** bits - 1;
  const ends = new Int32Array(2);
  const floats = new Float32Array(ends.buffer);
  const fit: GroupFit = { multiplier: 0, constant: 0, scale: 0, zero: 0 };
  let lowest = 0x7fffffff;
  let highest = -0x80000000;
  for (let k = 0; k < groups; k++) {
    const from = start(k);
    let low = 0x7fffffff;
    let high = -0x80000000;
    for (let i = from, stop = from + span; i < stop; i += stride) {
      const x = keys[i]!;
      const key = x ^ ((x >> 31) & 0x7fffffff);
      low = Math.min(low, key);
      high = Math.max(high, key);
    }
    lowest = Math.min(lowest, low);
    highest = Math.max(highest, high);
    ends[0] = low ^ ((low >> 31) & 0x7fffffff);
    ends[1] = high ^ ((high >> 31) & 0x7fffffff);
    arithmetic.fit(floats[0]!, floats[1]!, topCode, fit);
    const group = firstGroup + k;
    multipliers[group] = fit.multiplier;
    constants[group] = fit.constant;
    scales[group] = fit.scale;
    zeros[group] = fit.zero;
  }
  return groups === 0 || (lowest > -0x7f800001 && highest < 0x7f800000);
}

function packSegment(
  block: FittedBlock,
  segment: BlockSegment,
  { start, stride }: GroupPlaces,
  { arithmetic }: BlockScheme,
  words: Uint32Array,
): void {
  const { layout, data, multipliers, constants, scales, zeros } = block;
  const { groups, firstGroup, bits, chunkGroups, chunkWords, firstWord } = segment;
  const { groupSize, tenPerWord } = layout;
  const span = groupSize * stride;
  const topCode = 2 ** bits - 1;
  if (chunkGroups === 1 && 32 % bits === 0 && arithmetic.codeOf === undefined) {
    let at = firstWord;
    for (let k = 0; k < groups; k++) {
      const multiplier = multipliers[firstGroup + k]!;
      const constant = constants[firstGroup + k]!;
      const from = start(k);
      for (let i = from, stop = from + span; i < stop;) {
        let packed = 0;
        for (let shift = 0; shift < 32; shift += bits, i += stride) {
          const code = (data[i]! * multiplier + constant + ROUND - ROUND) | 0;
          packed |= Math.min(Math.max(code, 0), topCode) << shift;
        }
        words[at++] = packed;
      }
    }
    return;
  }
  const codes = new Int32Array(chunkGroups * groupSize);
  for (let k = 0; k < groups; k += chunkGroups) {
    const count = Math.min(chunkGroups, groups - k);
    let filled = 0;
    for (let c = 0; c < count; c++) {
      const group = firstGroup + k + c;
      const multiplier = multipliers[group]!;
      const constant = constants[group]!;
      const from = start(k + c);
      for (let i = from, stop = from + span; i < stop; i += stride) {
        const code = arithmetic.codeOf === undefined
          ? (data[i]! * multiplier + constant + ROUND - ROUND) | 0
          : arithmetic.codeOf(data[i]!, scales[group]!, zeros[group]!, topCode);
        codes[filled++] = Math.min(Math.max(code, 0), topCode);
      }
    }
    const at = firstWord + k / chunkGroups * chunkWords;
    if (tenPerWord) packPadded(codes, bits, words, at);
    else packRow(codes, filled, bits, words, at);
  }
}

function restoreSegment(
  { groupSize, tenPerWord }: BlockLayout,
  { groups, firstGroup, bits, chunkGroups, chunkWords, firstWord }: BlockSegment,
  { start, stride }: GroupPlaces,
  words: Uint32Array,
  scales: Float32Array,
  zeros: Float32Array,
  arithmetic: BlockScheme["arithmetic"],
  data: Float32Array,
): void {
  const topCode = 2 ** bits - 1;
  const span = groupSize * stride;
  const wholeWords = chunkGroups === 1 && 32 % bits === 0;
  const codes = new Int32Array(chunkGroups * groupSize);
  for (let k = 0; k < groups; k += chunkGroups) {
    const count = Math.min(chunkGroups, groups - k);
    let at = firstWord + k / chunkGroups * chunkWords;
    if (!wholeWords) {
      if (tenPerWord) unpackPadded(words, at, bits, codes);
      else unpackRow(words, at, count * groupSize, bits, codes);
    }
    for (let c = 0, next = 0; c < count; c++) {
      const scale = scales[firstGroup + k + c]!;
      const zero = zeros[firstGroup + k + c]!;
      arithmetic.fillLevels(levels, scale, zero, topCode);
      const from = start(k + c);
      const stop = from + span;
      if (wholeWords) {
        for (let i = from; i < stop;) {
          const word = words[at++]!;
          for (let shift = 0; shift < 32; shift += bits, i += stride) {
            data[i] = levels[word >>> shift & topCode]!;
          }
        }
      } else {
        for (let i = from; i < stop; i += stride) data[i] = levels[codes[next++]!]!;
      }
    }
  }
}

function packPadded(codes: Int32Array, bits: number, words: Uint32Array, at: number): void {
  for (let i = 0; i < codes.length; i++) {
    const word = at + Math.floor(i / CODES_PER_PADDED_WORD);
    words[word]! |= codes[i]! << (i % CODES_PER_PADDED_WORD * bits);
  }
}

function unpackPadded(words: Uint32Array, at: number, bits: number, codes: Int32Array): void {
  const mask = (1 << bits) - 1;
  for (let i = 0; i < codes.length; i++) {
    const word = words[at + Math.floor(i / CODES_PER_PADDED_WORD)]!;
    codes[i] = word >>> (i % CODES_PER_PADDED_WORD * bits) & mask;
  }
}
