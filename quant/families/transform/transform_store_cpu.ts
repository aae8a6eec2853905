/**
 * The packed cache of `transform` in host memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { fromBfloat16Bits } from "../../packing/bfloat16.ts";
import {
  BYTE_BITS,
  COST_SHARE,
  decode,
  encode,
  MORE_FOLLOWS,
  pushBits,
  readBits,
  STATE_BITS,
} from "../../packing/entropy_coder.ts";
import { finiteHalf, fromHalfBits, toHalfBits } from "../../packing/half.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { DEAD_ZONE } from "./component_codes.ts";
import { fitBands } from "./fit_bands.ts";
import { CERTAIN_ESCAPE } from "./component_alphabets.ts";
import {
  BAND_COMPONENTS,
  bandsOf,
  GROUP_TOKENS,
  groupBits,
  isExact,
  LEVEL_BITS,
  LEVEL_FACTORS,
  meansOf,
  NOTHING_CODED,
  PLANNED_LEVEL,
  rowOfTables,
  scalesOf,
  SHIFT_BITS,
  SHIFT_QUARTERS,
  streamWords,
  type TransformBlock,
  transformBuffers,
  type TransformLayout,
  transformLayout,
  transformRange,
  worstStreamWords,
} from "./transform_layout.ts";
import { type UnpackedMatrix, unpackMatrix } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Groups that go through a matrix at a time. */
const TILE_GROUPS = 4;
const TILE_TOKENS = TILE_GROUPS * GROUP_TOKENS;

const BAND_SHIFT = Math.log2(BAND_COMPONENTS);
const UNSHIFTED = SHIFT_QUARTERS.indexOf(0);

/** What follows from settings alone; every example's store shares it. */
interface Prepared {
  readonly layout: TransformLayout;
  /** Bits that each group may add to all before it. */
  readonly groupBits: number;
  /** `[level][shift]`: the alphabets of a token's stored components. */
  readonly rows: readonly (readonly Uint16Array[])[];
}

const prepared = new WeakMap<TransformSettings, Prepared>();

function prepare(settings: TransformSettings): Prepared {
  let known = prepared.get(settings);
  if (known === undefined) {
    const layout = transformLayout(settings);
    known = {
      layout,
      groupBits: groupBits(settings),
      rows: LEVEL_FACTORS.map((_, level) =>
        SHIFT_QUARTERS.map((_, shift) => rowOfTables(layout, level, shift))
      ),
    };
    prepared.set(settings, known);
  }
  return known;
}

/** Store of `transform` over host tensors. `grow` throws at once on non-finite input. */
export class TransformStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: TransformSettings;
  readonly #prepared: Prepared;
  /** Streams, and room for the next one; 0 from the last stream's end on. */
  #streams = new Uint32Array(0);
  /** Bit behind the last of each group's stream. */
  readonly #ends: number[] = [];
  /** Of the components of one group. */
  readonly #symbols: Uint8Array;
  readonly #raw: Uint32Array;
  /** Alphabets of the stored components, as the bands' shifts have it. */
  readonly #row: Uint16Array;
  readonly #shifts: Uint8Array;
  /** Level of the last group. */
  #level = PLANNED_LEVEL;
  #quantized: TokenRange;

  constructor(source: Source<CpuTensor>, settings: TransformSettings) {
    this.#source = source;
    this.#settings = settings;
    this.#prepared = prepare(settings);
    const entries = GROUP_TOKENS * this.#prepared.layout.stored;
    this.#symbols = new Uint8Array(entries);
    this.#raw = new Uint32Array(entries);
    this.#row = new Uint16Array(this.#prepared.layout.stored);
    this.#shifts = new Uint8Array(bandsOf(this.#prepared.layout.stored));
    this.#quantized = transformRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = transformRange(this.#settings, n);
    const start = Math.max(range.from, this.#quantized.to);
    if (start >= range.to) {
      this.#quantized = range;
      return;
    }
    const { stored, blocks } = this.#prepared.layout;
    const matrices = blocks.map((block) => this.#unpacked(block, true));
    const values = new Float32Array(TILE_TOKENS * stored);
    for (let token = start; token < range.to; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, range.to - token);
      for (const [b, block] of blocks.entries()) {
        if (!this.#transformTile(block, matrices[b]!, token, count, values)) {
          throwNotFinite(this.#source, this.#input, token, token + count);
        }
      }
      const group = GROUP_TOKENS * stored;
      // Groups of which nothing is stored have streams, too.
      for (let g = 0; g < count / GROUP_TOKENS; g++) {
        this.#appendStream(values.subarray(g * group, (g + 1) * group));
      }
    }
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    const { layout } = this.#prepared;
    const { from, to } = this.#quantized;
    const group = GROUP_TOKENS * layout.stored;
    const values = new Float32Array(TILE_GROUPS * group);
    const matrices = layout.blocks.map((block) => this.#unpacked(block, false));
    for (let token = from; token < to; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, to - token);
      for (let g = 0; g < count / GROUP_TOKENS; g++) {
        const index = (token - from) / GROUP_TOKENS + g;
        this.#readStream(index, values.subarray(g * group, (g + 1) * group));
      }
      for (const [b, block] of layout.blocks.entries()) {
        this.#restoreTile(block, matrices[b]!, token, count, values, target);
      }
    }
  }

  constants(): readonly ConstantBuffer[] {
    const { mean, scales, matrix, steps, tables, alphabets } = this.#prepared.layout;
    const { frequencies, ends, levels } = alphabets;
    return Object.entries({ mean, scales, matrix, steps, tables, frequencies, ends, levels })
      .map(([role, memory]) => ({ role, memory }));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = transformRange(this.#settings, n);
    const ends = this.#ends.slice(0, (to - from) / GROUP_TOKENS);
    const { heads, headDim } = this.#settings;
    return transformBuffers(heads * headDim, ends);
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "streams", words: this.#streams.slice(0, streamWords(this.#ends.at(-1) ?? 0)) },
      { role: "stream_ends", words: Uint32Array.from(this.#ends) },
    ]);
  }

  free(): void {}

  /** The tensor that is coded: keys before RoPE, or values. */
  get #input(): CpuTensor {
    return this.#settings.kind === "key" ? this.#source.preRope! : this.#source.tensor;
  }

  /** A block's matrices; they are unpacked while vectors go through them, and no longer. */
  #unpacked({ firstWord, components, channels }: TransformBlock, forth: boolean): UnpackedMatrix {
    return unpackMatrix(this.#prepared.layout.matrix, firstWord, components, channels, forth);
  }

  /** One block's components of `count` tokens; false where an entry is not finite. */
  #transformTile(
    block: TransformBlock,
    { forth }: UnpackedMatrix,
    token: number,
    count: number,
    values: Float32Array,
  ): boolean {
    const { data, capacity, headDim } = this.#input;
    const { layout } = this.#prepared;
    const { stored } = layout;
    const firstChannel = block.firstHead * headDim;
    const mean = meansOf(layout, firstChannel, block.channels);
    const scales = scalesOf(layout, firstChannel, block.channels);
    const [channels, columns] = [paddedTo4(block.channels), paddedTo4(block.components)];
    const rows = new Float32Array(count * channels);
    let sum = 0;
    for (let h = 0; h < block.heads; h++) {
      const channel = h * headDim;
      for (let t = 0; t < count; t++) {
        const from = ((block.firstHead + h) * capacity + token + t) * headDim;
        const to = t * channels + channel;
        for (let d = 0; d < headDim; d++) {
          const x = data[from + d]!;
          sum += x * 0;
          rows[to + d] = Math.fround(x - mean[channel + d]!) * scales[channel + d]!;
        }
      }
    }
    // 0 times anything finite is 0.
    if (sum !== 0) return false;
    const components = new Float32Array(count * columns);
    rowsTimesColumns(rows, count, forth, columns, channels, components);
    for (let t = 0; t < count; t++) {
      for (let k = 0; k < block.components; k++) {
        values[t * stored + block.first + k] = finiteHalf(components[t * columns + k]!);
      }
    }
    return true;
  }

  /**
   * Codes a group at the finest level at which all streams together keep to their bound, but not finer
   * than the group before it by more than one.
   */
  #appendStream(values: Float32Array): void {
    const { layout, groupBits } = this.#prepared;
    const first = streamWords(this.#ends.at(-1) ?? 0);
    const worst = worstStreamWords(layout.stored);
    if (this.#streams.length < first + worst) {
      const larger = new Uint32Array(2 * (first + worst));
      larger.set(this.#streams.subarray(0, first));
      this.#streams = larger;
    }
    const groups = this.#ends.length + 1;
    const words = this.#streams.subarray(first);
    const finest = groupBits === Infinity ? PLANNED_LEVEL : Math.max(0, this.#level - 1);
    for (let level = finest;; level++) {
      const keepsTo = (bits: number) =>
        32 * (first + streamWords(bits) + groups) <= groups * groupBits;
      const bits = this.#writeStream(values, level, words, keepsTo);
      if (bits !== undefined) {
        this.#ends.push(32 * first + bits);
        this.#level = level;
        return;
      }
    }
  }

  /** Writes a group's stream at a level and returns its bits; undefined when these are too many. */
  #writeStream(
    values: Float32Array,
    level: number,
    words: Uint32Array,
    keepsTo: (bits: number) => boolean,
  ): number | undefined {
    words[0] = level;
    if (level === NOTHING_CODED) return LEVEL_BITS;
    const { layout: { alphabets }, rows } = this.#prepared;
    const [symbols, raw, row, shifts] = [this.#symbols, this.#raw, this.#row, this.#shifts];
    this.#toSymbols(values, level);
    const costs = fitBands(alphabets, rows[level]![UNSHIFTED]!, symbols, shifts);
    const head = LEVEL_BITS + SHIFT_BITS * shifts.length;
    // Most levels that are too fine are so by far, which is told without coding: a state ends below
    // 2^17, and began with 2^16.
    if (!keepsTo(head + STATE_BITS - 1 + Math.floor(costs / COST_SHARE))) return undefined;
    for (let b = 0; b < shifts.length; b++) {
      pushBits(words, LEVEL_BITS + SHIFT_BITS * b, shifts[b]!, SHIFT_BITS);
    }
    this.#shiftRow(level);
    const bits = encode(alphabets, row, symbols, raw, words, head);
    if (keepsTo(bits)) return bits;
    words.fill(0, 0, streamWords(bits));
    return undefined;
  }

  /** Codes components in the steps of a level. */
  #toSymbols(values: Float32Array, level: number): void {
    const { alphabets, steps, stored } = this.#prepared.layout;
    const [symbols, raw] = [this.#symbols, this.#raw];
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    const escape = alphabets.symbols - 1;
    const most = alphabets.symbols / 2;
    const factor = LEVEL_FACTORS[level]!;
    for (let k = 0; k < stored; k++) {
      const planned = fromBfloat16Bits(steps[k]!);
      const step = Math.fround(Math.abs(planned) * factor);
      const exact = isExact(planned, level);
      for (let at = k; at < values.length; at += stored) {
        const value = values[at]!;
        const magnitude = Math.floor(Math.abs(value) / step + (0.5 - DEAD_ZONE));
        if (exact || magnitude >= most) {
          symbols[at] = escape;
          const beyond = exact ? MORE_FOLLOWS : Math.min(magnitude - most, MORE_FOLLOWS);
          raw[at] = beyond | (value < 0 ? MORE_FOLLOWS + 1 : 0);
          if (beyond === MORE_FOLLOWS) raw[at]! |= toHalfBits(value) << BYTE_BITS;
          continue;
        }
        // `symbolOf`, without branches, which could not be predicted: 1 less above zero.
        symbols[at] = 2 * magnitude - ((~bits[at]! & -magnitude) >>> 31);
      }
    }
  }

  /** The alphabets of all components at a level, with the bands' shifts. */
  #shiftRow(level: number): void {
    const rows = this.#prepared.rows[level]!;
    for (let k = 0; k < this.#row.length; k++) {
      this.#row[k] = rows[this.#shifts[k >> BAND_SHIFT]!]![k]!;
    }
  }

  /** Components of a group. */
  #readStream(index: number, values: Float32Array): void {
    const first = streamWords(this.#ends[index - 1] ?? 0);
    const words = this.#streams.subarray(first);
    const level = words[0]! & ((1 << LEVEL_BITS) - 1);
    if (level === NOTHING_CODED) {
      values.fill(0);
      return;
    }
    const { layout } = this.#prepared;
    const { alphabets, steps, stored } = layout;
    const [symbols, raw] = [this.#symbols, this.#raw];
    const [row, shifts] = [this.#row, this.#shifts];
    for (let b = 0; b < shifts.length; b++) {
      shifts[b] = readBits(words, LEVEL_BITS + SHIFT_BITS * b, SHIFT_BITS);
    }
    this.#shiftRow(level);
    decode(alphabets, row, words, this.#ends[index]! - 32 * first, symbols, raw);
    const escape = alphabets.symbols - 1;
    const most = alphabets.symbols / 2;
    const factor = LEVEL_FACTORS[level]!;
    for (let k = 0; k < stored; k++) {
      const step = Math.fround(Math.abs(fromBfloat16Bits(steps[k]!)) * factor);
      const table = row[k]! * alphabets.symbols;
      for (let at = k; at < values.length; at += stored) {
        const symbol = symbols[at]!;
        if (symbol !== escape) {
          values[at] = alphabets.levels[table + symbol]! * step;
          continue;
        }
        const beyond = raw[at]! & MORE_FOLLOWS;
        values[at] = row[k] === CERTAIN_ESCAPE || beyond === MORE_FOLLOWS
          ? fromHalfBits(raw[at]! >>> BYTE_BITS)
          : (raw[at]! > MORE_FOLLOWS ? -most - beyond : most + beyond) * step;
      }
    }
  }

  #restoreTile(
    block: TransformBlock,
    { back }: UnpackedMatrix,
    token: number,
    count: number,
    values: Float32Array,
    target: CpuTensor,
  ): void {
    const { stored } = this.#prepared.layout;
    const [channels, columns] = [paddedTo4(block.channels), paddedTo4(block.components)];
    const components = new Float32Array(count * columns);
    for (let t = 0; t < count; t++) {
      const from = t * stored + block.first;
      components.set(values.subarray(from, from + block.components), t * columns);
    }
    const rows = new Float32Array(count * channels);
    rowsTimesColumns(components, count, back, channels, columns, rows);
    this.#writeRows(block, rows, channels, token, count, target);
  }

  /** Takes off the scales, adds the mean, turns keys to their positions, and writes them to their tokens. */
  #writeRows(
    block: TransformBlock,
    rows: Float32Array,
    channels: number,
    token: number,
    count: number,
    target: CpuTensor,
  ): void {
    const { headDim } = this.#settings;
    const { layout } = this.#prepared;
    const firstChannel = block.firstHead * headDim;
    const mean = meansOf(layout, firstChannel, block.channels);
    const inverses = scalesOf(layout, firstChannel, block.channels).map(inverseOf);
    const rope = this.#settings.kind === "key" ? this.#source.rope : undefined;
    const half = headDim / 2;
    for (let h = 0; h < block.heads; h++) {
      const channel = h * headDim;
      const inverse = inverses.subarray(channel, channel + headDim);
      for (let t = 0; t < count; t++) {
        const from = t * channels + h * headDim;
        const to = ((block.firstHead + h) * target.capacity + token + t) * headDim;
        if (rope === undefined) {
          for (let d = 0; d < headDim; d++) {
            target.data[to + d] = Math.fround(rows[from + d]! * inverse[d]!) + mean[channel + d]!;
          }
          continue;
        }
        const angle = (token + t) * half;
        for (let d = 0; d < half; d++) {
          const a = Math.fround(rows[from + d]! * inverse[d]!) + mean[channel + d]!;
          const b = Math.fround(rows[from + half + d]! * inverse[half + d]!) +
            mean[channel + half + d]!;
          const c = rope.cos.data[angle + d]!;
          const s = rope.sin.data[angle + d]!;
          target.data[to + d] = a * c - b * s;
          target.data[to + half + d] = b * c + a * s;
        }
      }
    }
  }
}

/** A channel of scale 0 is its mean. */
function inverseOf(scale: number): number {
  return scale === 0 ? 0 : 1 / scale;
}
