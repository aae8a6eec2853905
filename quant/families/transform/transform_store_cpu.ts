/**
 * The packed cache of `transform` in host memory: the reference implementation.
 *
 * @module
 */
import type { Calibration } from "../../calibration.ts";
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { paddedTo4, rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import { sparseRowsProduct } from "../../numerics/sparse_rows_product.ts";
import { COST_SHARE, pushBits, readBits, STATE_BITS } from "../../packing/entropy_coder.ts";
import { type CodedStream, decodeStreams, encode } from "../../packing/entropy_streams.ts";
import { fromBfloat16Bits } from "../../packing/bfloat16.ts";
import { settingsKey } from "../../settings_key.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { centreRows } from "./centred_rows.ts";
import { type LevelSteps, levelSteps, toSymbols, toValues } from "./component_symbols.ts";
import { fitBands } from "./fit_bands.ts";
import {
  BAND_COMPONENTS,
  bandsOf,
  GROUP_TOKENS,
  groupBits,
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
import { unpackAxes, unpackMatrix } from "./transform_matrix.ts";
import type { TransformSettings } from "./transform_settings.ts";

/** Groups that go through a matrix at a time. */
const TILE_GROUPS = 4;
const TILE_TOKENS = TILE_GROUPS * GROUP_TOKENS;

const BAND_SHIFT = Math.log2(BAND_COMPONENTS);
const UNSHIFTED = SHIFT_QUARTERS.indexOf(0);

/** A block, and what its channels lose and are multiplied by on the way forth, and divided by back. */
interface PreparedBlock extends TransformBlock {
  readonly mean: Float32Array;
  readonly scales: Float32Array;
  readonly inverses: Float32Array;
}

/** What follows from settings alone; every example's store shares it. */
interface Prepared {
  readonly layout: TransformLayout;
  readonly blocks: readonly PreparedBlock[];
  /** Bits that each group may add to all before it. */
  readonly groupBits: number;
  /** `[level][shift]`: the alphabets of a token's stored components. */
  readonly rows: readonly (readonly Uint16Array[])[];
  /** Steps of the stored components, level after level. */
  readonly levels: readonly LevelSteps[];
}

/** By what was learned, and by settings: those of an example are seldom those of another. */
const prepared = new WeakMap<Calibration, Map<string, Prepared>>();

function prepare(settings: TransformSettings): Prepared {
  const calibration = settings.calibration!;
  let bySettings = prepared.get(calibration);
  if (bySettings === undefined) prepared.set(calibration, bySettings = new Map());
  const key = settingsKey(settings);
  let known = bySettings.get(key);
  if (known === undefined) {
    const layout = transformLayout(settings);
    const steps = Float32Array.from(layout.steps, fromBfloat16Bits);
    known = {
      layout,
      blocks: layout.blocks.map((block) => {
        const first = block.firstHead * settings.headDim;
        const mean = meansOf(layout, first, block.channels);
        const scales = scalesOf(layout, first, block.channels);
        return { ...block, mean, scales, inverses: scales.map(inverseOf) };
      }),
      groupBits: groupBits(settings),
      rows: LEVEL_FACTORS.map((_, level) =>
        SHIFT_QUARTERS.map((_, shift) => rowOfTables(layout, level, shift))
      ),
      levels: LEVEL_FACTORS.map((_, level) => levelSteps(steps, level)),
    };
    bySettings.set(key, known);
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
    const { layout: { stored }, blocks } = this.#prepared;
    const { matrix } = this.#prepared.layout;
    // They are unpacked while vectors go through them, and no longer.
    const matrices = blocks.map(({ firstWord, components, channels }) =>
      unpackMatrix(matrix, firstWord, components, channels).forth
    );
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
    const { layout, blocks } = this.#prepared;
    const { from, to } = this.#quantized;
    const values = new Float32Array(TILE_TOKENS * layout.stored);
    const axes = blocks.map(({ firstWord, components, channels }) =>
      unpackAxes(layout.matrix, firstWord, components, channels)
    );
    for (let token = from; token < to; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, to - token);
      this.#readStreams((token - from) / GROUP_TOKENS, values.subarray(0, count * layout.stored));
      for (const [b, block] of blocks.entries()) {
        this.#restoreTile(block, axes[b]!, token, count, values, target);
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

  /** One block's components of `count` tokens; false where an entry is not finite. */
  #transformTile(
    block: PreparedBlock,
    forth: Float32Array,
    token: number,
    count: number,
    values: Float32Array,
  ): boolean {
    const { stored } = this.#prepared.layout;
    const { firstHead, mean, scales } = block;
    const [channels, columns] = [paddedTo4(block.channels), paddedTo4(block.components)];
    const rows = new Float32Array(count * channels);
    if (!centreRows(this.#input, firstHead, token, mean, scales, rows, channels)) return false;
    // Where all components are this block's, they are in their places at once.
    const whole = block.components === stored && columns === stored;
    const components = whole ? values : new Float32Array(count * columns);
    rowsTimesColumns(rows, count, forth, columns, channels, components);
    if (whole) return true;
    for (let t = 0; t < count; t++) {
      const from = t * columns;
      values.set(components.subarray(from, from + block.components), t * stored + block.first);
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
    const { layout: { alphabets }, rows, levels } = this.#prepared;
    const [symbols, row, shifts] = [this.#symbols, this.#row, this.#shifts];
    const escapes = toSymbols(values, levels[level]!, alphabets.symbols, symbols, this.#raw);
    const costs = fitBands(alphabets, rows[level]![UNSHIFTED]!, symbols, shifts);
    const head = LEVEL_BITS + SHIFT_BITS * shifts.length;
    // Most levels that are too fine are so by far, which is told without coding: a state ends below
    // 2^17, and began with 2^16.
    if (!keepsTo(head + STATE_BITS - 1 + Math.floor(costs / COST_SHARE))) return undefined;
    for (let b = 0; b < shifts.length; b++) {
      pushBits(words, LEVEL_BITS + SHIFT_BITS * b, shifts[b]!, SHIFT_BITS);
    }
    this.#shiftRow(level, shifts, row);
    const bits = encode(alphabets, row, symbols, this.#raw.subarray(0, escapes), words, head);
    if (keepsTo(bits)) return bits;
    words.fill(0, 0, streamWords(bits));
    return undefined;
  }

  /** The alphabets of all components at a level, with the bands' shifts. */
  #shiftRow(level: number, shifts: Uint8Array, row: Uint16Array): void {
    const rows = this.#prepared.rows[level]!;
    for (let k = 0; k < row.length; k++) row[k] = rows[shifts[k >> BAND_SHIFT]!]![k]!;
  }

  /** Components of the groups from number `first` on, as many as there is room for. */
  #readStreams(first: number, values: Float32Array): void {
    const { layout: { alphabets, stored }, levels } = this.#prepared;
    const entries = GROUP_TOKENS * stored;
    const shifts = new Uint8Array(this.#shifts.length);
    const streams: (CodedStream & { readonly level: LevelSteps; readonly values: Float32Array })[] =
      [];
    for (let at = 0, index = first; at < values.length; at += entries, index++) {
      const own = values.subarray(at, at + entries);
      const start = streamWords(this.#ends[index - 1] ?? 0);
      const bits = this.#ends[index]! - 32 * start;
      const words = this.#streams.subarray(start);
      const level = words[0]! & ((1 << LEVEL_BITS) - 1);
      if (level === NOTHING_CODED) {
        own.fill(0);
        continue;
      }
      for (let b = 0; b < shifts.length; b++) {
        shifts[b] = readBits(words, LEVEL_BITS + SHIFT_BITS * b, SHIFT_BITS);
      }
      const row = new Uint16Array(stored);
      this.#shiftRow(level, shifts, row);
      const [symbols, raw] = [new Uint8Array(entries), new Uint32Array(entries)];
      streams.push({ row, words, bits, symbols, raw, level: levels[level]!, values: own });
    }
    decodeStreams(alphabets, streams);
    for (const { row, symbols, raw, level, values } of streams) {
      toValues(alphabets, row, symbols, raw, level, values);
    }
  }

  #restoreTile(
    block: PreparedBlock,
    axes: Float32Array,
    token: number,
    count: number,
    values: Float32Array,
    target: CpuTensor,
  ): void {
    const { stored } = this.#prepared.layout;
    const [channels, columns] = [paddedTo4(block.channels), paddedTo4(block.components)];
    let components = values;
    if (block.components !== stored || columns !== stored) {
      components = new Float32Array(count * columns);
      for (let t = 0; t < count; t++) {
        const from = t * stored + block.first;
        components.set(values.subarray(from, from + block.components), t * columns);
      }
    }
    const rows = new Float32Array(count * channels);
    // Many symbols stand for 0.
    sparseRowsProduct(components, count, axes, channels, columns, rows);
    this.#writeRows(block, rows, channels, token, count, target);
  }

  /** Takes off the scales, adds the mean, turns keys to their positions, and writes them to their tokens. */
  #writeRows(
    block: PreparedBlock,
    rows: Float32Array,
    channels: number,
    token: number,
    count: number,
    target: CpuTensor,
  ): void {
    const { headDim } = this.#settings;
    const { mean, inverses } = block;
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
