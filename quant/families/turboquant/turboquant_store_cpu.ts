/**
 * The packed cache of `turboquant` in host memory: the reference implementation.
 *
 * @module
 */
import { packRow, unpackRow } from "../../packing/bit_packing.ts";
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { LevelFinder } from "../../numerics/level_finder.ts";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { hadamard } from "../../numerics/random_rotation.ts";
import { rowsTimesColumns } from "../../numerics/rows_times_columns.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import {
  decodeRows,
  encodeRows,
  MOST_ROWS,
  type PairSums,
  type QuickRows,
  quickRows,
  type RowCoder,
} from "./turboquant_rows.ts";
import {
  levelBits,
  normWords,
  turboquantBuffers,
  type TurboquantLayout,
  turboquantLayout,
  turboquantRange,
  type TurboquantSettings,
  type TurboquantTables,
  turboquantTables,
} from "./turboquant_settings.ts";

/** Vectors that go through a matrix at a time. */
const TILE = MOST_ROWS;

/** Added to a norm before dividing by it (turboquant/quantizer.py). */
const NORM_FLOOR = 1e-10;

/** Tiles of vectors: as given or restored, rotated, and what is left over. */
interface Tiles {
  readonly vectors: Float64Array;
  readonly rotated: Float64Array;
  readonly residuals: Float64Array;
}

/** Store of `turboquant` over host tensors. `grow` throws at once on non-finite input. */
export class TurboquantStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #settings: TurboquantSettings;
  readonly #layout: TurboquantLayout;
  readonly #tables: TurboquantTables;
  readonly #finders: readonly LevelFinder[];
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #norms: Uint32Array<ArrayBuffer>;
  readonly #row: Int32Array;
  readonly #quick: readonly QuickRows[];
  /** Tiles of vectors and of rotated ones, where float32 is enough. */
  #rough: readonly [Float32Array, Float32Array] | undefined;
  #tiles: Tiles | undefined;
  readonly #lengths = new Float64Array(TILE);
  #quantized: TokenRange;

  constructor(source: Source<CpuTensor>, settings: TurboquantSettings, tokens: number) {
    this.#source = source;
    this.#settings = settings;
    this.#layout = turboquantLayout(settings);
    this.#tables = turboquantTables(settings);
    this.#finders = this.#tables.levels.map((levels) => new LevelFinder(levels));
    const range = turboquantRange(settings, tokens);
    const count = range.to - range.from;
    this.#codes = new Uint32Array(count * this.#layout.tokenWords);
    this.#norms = new Uint32Array(normWords(settings, count * this.#layout.tokenNorms));
    this.#row = new Int32Array(settings.headDim);
    this.#quick = settings.bits.map((_, head) => quickRows(settings, this.#tables, head));
    this.#quantized = turboquantRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = turboquantRange(this.#settings, n);
    for (let token = this.#quantized.to; token < range.to; token += TILE) {
      const count = Math.min(TILE, range.to - token);
      for (let head = 0; head < this.#settings.bits.length; head++) {
        const { coder } = this.#quick[head]!;
        const finite = coder === undefined
          ? this.#quantizeTile(head, token, count)
          : this.#codeTile(head, token, count, coder);
        if (!finite) {
          throwNotFinite(this.#source, this.#source.tensor, token, token + count);
        }
      }
    }
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    const { headDim } = this.#settings;
    for (let token = 0; token < this.#quantized.to; token += TILE) {
      const count = Math.min(TILE, this.#quantized.to - token);
      for (let head = 0; head < this.#settings.bits.length; head++) {
        const to = (head * target.capacity + token) * headDim;
        const out = target.data.subarray(to, to + count * headDim);
        const { sums } = this.#quick[head]!;
        if (sums === undefined) this.#restoreTile(head, token, count, out);
        else this.#sumTile(head, token, count, sums, out);
      }
    }
  }

  constants(): readonly ConstantBuffer[] {
    const { levels, signs, ...matrices } = this.#tables;
    return [
      ...Object.entries(signs === undefined ? matrices : { ...matrices, signs }),
      ...levels.map((memory): [string, Float64Array] => ["levels", memory]),
    ].map(([role, memory]) => ({ role, memory }));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return turboquantBuffers(this.#settings, this.#layout, turboquantRange(this.#settings, n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "codes", words: this.#codes },
      { role: "norms", words: this.#norms },
    ]);
  }

  free(): void {}

  #scratch(): Tiles {
    const room = () => new Float64Array(TILE * this.#settings.headDim);
    return this.#tiles ??= { vectors: room(), rotated: room(), residuals: room() };
  }

  /** Quantizes one head of some tokens; false when an entry is NaN or infinite. */
  #codeTile(head: number, token: number, count: number, coder: RowCoder): boolean {
    const { headDim } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const room = () => new Float32Array(TILE * headDim);
    const [rows, all] = this.#rough ??= [room(), room()];
    if (!this.#loadUnitVectors(head, token, count, rows)) return false;
    const rotated = all.subarray(0, count * headDim);
    rowsTimesColumns(rows, count, coder.rotation, headDim, headDim, rotated);
    const word = token * tokenWords + wordOffsets[head]!;
    const doubtful = encodeRows(rotated, count, coder, this.#codes, word, tokenWords);
    for (let t = 0; t < count; t++) {
      if (doubtful[t] === 0) continue;
      this.#codeRow(head, token + t, this.#lengths[t]!, coder, rotated.subarray(t * headDim));
    }
    return true;
  }

  /**
   * Codes a row anew: by sums in float64, in the order of the channels, where `rotated` does not say.
   *
   * @param length of the vector, as it was divided by
   */
  #codeRow(
    head: number,
    token: number,
    length: number,
    { bits, doubt }: RowCoder,
    rotated: Float32Array,
  ): void {
    const { headDim } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const { data, capacity } = this.#source.tensor;
    const { rotation } = this.#tables;
    const finder = this.#finders[head]!;
    const row = this.#row;
    const from = (head * capacity + token) * headDim;
    const scale = 1 / length;
    for (let i = 0; i < headDim; i++) {
      const code = finder.find(rotated[i]! - doubt);
      row[i] = code;
      if (code === finder.find(rotated[i]! + doubt)) continue;
      let sum = 0;
      for (let j = 0; j < headDim; j++) sum += data[from + j]! * scale * rotation[i * headDim + j]!;
      row[i] = finder.find(sum);
    }
    packRow(row, headDim, bits, this.#codes, token * tokenWords + wordOffsets[head]!);
  }

  /** Quantizes one head of some tokens in float64; false when an entry is NaN or infinite. */
  #quantizeTile(head: number, token: number, count: number): boolean {
    const { headDim, bits, variant } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const { vectors, rotated, residuals } = this.#scratch();
    if (!this.#loadUnitVectors(head, token, count, vectors)) return false;
    const row = this.#row;
    const finder = this.#finders[head]!;
    const levels = this.#tables.levels[head]!;
    const signs = variant === "prod";
    this.#rotate(count);
    if (!signs) {
      for (let t = 0; t < count; t++) {
        finder.findRow(rotated, t * headDim, headDim, row);
        const word = (token + t) * tokenWords + wordOffsets[head]!;
        packRow(row, headDim, bits[head]!, this.#codes, word);
      }
      return true;
    }
    // The second stage codes what the first leaves over, so it needs all codes first.
    const codes = new Uint8Array(count * headDim);
    for (let i = 0; i < codes.length; i++) {
      const code = finder.find(rotated[i]!);
      codes[i] = code;
      rotated[i] = levels[code]!;
    }
    const { inverse, projection } = this.#tables;
    this.#unrotate(count, inverse, residuals);
    for (let t = 0; t < count; t++) {
      const length = this.#norm(head, token + t, 0);
      let square = 0;
      for (let i = t * headDim; i < (t + 1) * headDim; i++) {
        const left = vectors[i]! * this.#lengths[t]! - residuals[i]! * length;
        residuals[i] = left;
        square += left * left;
      }
      this.#setNorm(head, token + t, 1, Math.sqrt(square));
    }
    multiplyRows(residuals, count, projection, headDim, headDim, rotated);
    const signBit = 1 << levelBits(this.#settings, bits[head]!);
    for (let t = 0; t < count; t++) {
      for (let i = 0, at = t * headDim; i < headDim; i++, at++) {
        row[i] = rotated[at]! > 0 ? codes[at]! | signBit : codes[at]!;
      }
      const word = (token + t) * tokenWords + wordOffsets[head]!;
      packRow(row, headDim, bits[head]!, this.#codes, word);
    }
    return true;
  }

  /** Fills `vectors` with vectors of length 1 and `#lengths` with what they had; stores norms. */
  #loadUnitVectors(
    head: number,
    token: number,
    count: number,
    vectors: Float32Array | Float64Array,
  ): boolean {
    const { data, capacity, headDim } = this.#source.tensor;
    for (let t = 0; t < count; t++) {
      const from = (head * capacity + token + t) * headDim;
      let square = 0;
      for (let i = from; i < from + headDim; i++) square += data[i]! * data[i]!;
      // Doubles hold the squares of all float32 values.
      if (!(square < Infinity)) return false;
      const length = Math.sqrt(square);
      this.#lengths[t] = length + NORM_FLOOR;
      this.#setNorm(head, token + t, 0, length);
      const scale = 1 / this.#lengths[t]!;
      for (let i = 0, at = t * headDim; i < headDim; i++) vectors[at + i] = data[from + i]! * scale;
    }
    return true;
  }

  /** Tile `vectors` to tile `rotated`. */
  #rotate(count: number): void {
    const { headDim } = this.#settings;
    const { rotation, signs } = this.#tables;
    const { vectors, rotated } = this.#scratch();
    if (signs === undefined) {
      multiplyRows(vectors, count, rotation, headDim, headDim, rotated);
      return;
    }
    for (let t = 0, at = 0; t < count; t++, at += headDim) {
      for (let i = 0; i < headDim; i++) rotated[at + i] = vectors[at + i]! * signs[i]!;
      hadamard(rotated, at, headDim);
    }
  }

  /** Tile `rotated` back to `out`. */
  #unrotate(count: number, inverse: Float64Array, out: Float64Array): void {
    const { headDim } = this.#settings;
    const { signs } = this.#tables;
    const { rotated } = this.#scratch();
    if (signs === undefined) {
      multiplyRows(rotated, count, inverse, headDim, headDim, out);
      return;
    }
    for (let t = 0, at = 0; t < count; t++, at += headDim) {
      for (let i = 0; i < headDim; i++) out[at + i] = rotated[at + i]!;
      hadamard(out, at, headDim);
      for (let i = 0; i < headDim; i++) out[at + i] = out[at + i]! * signs[i]!;
    }
  }

  /** Restores one head of some tokens into `out`. */
  #sumTile(head: number, token: number, count: number, sums: PairSums, out: Float32Array): void {
    const { headDim } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const lengths = this.#lengths;
    for (let t = 0; t < count; t++) lengths[t] = this.#norm(head, token + t, 0);
    const word = token * tokenWords + wordOffsets[head]!;
    const doubtful = decodeRows(this.#codes, word, tokenWords, count, sums, lengths, out);
    for (let t = 0; t < count; t++) {
      if (doubtful[t] !== 0) this.#sumRow(head, token + t, lengths[t]!, out.subarray(t * headDim));
    }
  }

  /** Restores a row by sums in the order of the channels. */
  #sumRow(head: number, token: number, length: number, out: Float32Array): void {
    const { headDim, bits } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const { inverse, levels } = this.#tables;
    const values = levels[head]!;
    const row = this.#row;
    unpackRow(this.#codes, token * tokenWords + wordOffsets[head]!, headDim, bits[head]!, row);
    for (let c = 0; c < headDim; c++) {
      let sum = 0;
      for (let i = 0; i < headDim; i++) sum += values[row[i]!]! * inverse[c * headDim + i]!;
      out[c] = sum * length;
    }
  }

  /** Restores one head of some tokens into `out`, in float64. */
  #restoreTile(head: number, token: number, count: number, out: Float32Array): void {
    const { headDim, bits, variant } = this.#settings;
    const { wordOffsets, tokenWords } = this.#layout;
    const { inverse, backprojection, levels } = this.#tables;
    const values = levels[head]!;
    const width = levelBits(this.#settings, bits[head]!);
    const mask = (1 << width) - 1;
    const row = this.#row;
    const { vectors, rotated, residuals: signs } = this.#scratch();
    for (let t = 0; t < count; t++) {
      const word = (token + t) * tokenWords + wordOffsets[head]!;
      unpackRow(this.#codes, word, headDim, bits[head]!, row);
      const at = t * headDim;
      for (let i = 0; i < headDim; i++) rotated[at + i] = values[row[i]! & mask]!;
      if (variant === "mse") continue;
      for (let i = 0; i < headDim; i++) signs[at + i] = 2 * (row[i]! >> width) - 1;
    }
    this.#unrotate(count, inverse, vectors);
    for (let t = 0; t < count; t++) {
      const length = this.#norm(head, token + t, 0);
      for (let i = t * headDim; i < (t + 1) * headDim; i++) vectors[i] = vectors[i]! * length;
    }
    if (variant === "prod") {
      multiplyRows(signs, count, backprojection, headDim, headDim, rotated);
      for (let t = 0; t < count; t++) {
        const scale = Math.sqrt(Math.PI / 2) / headDim * this.#norm(head, token + t, 1);
        for (let i = t * headDim; i < (t + 1) * headDim; i++) {
          vectors[i] = vectors[i]! + scale * rotated[i]!;
        }
      }
    }
    out.set(vectors.subarray(0, count * headDim));
  }

  /** Index of a norm: `which` is 0 for the vector's, 1 for the residual's. */
  #normIndex(head: number, token: number, which: 0 | 1): number {
    const perHead = this.#settings.variant === "prod" ? 2 : 1;
    return token * this.#layout.tokenNorms + head * perHead + which;
  }

  #setNorm(head: number, token: number, which: 0 | 1, value: number): void {
    const index = this.#normIndex(head, token, which);
    if (this.#settings.paramDtype === "f32") {
      new Float32Array(this.#norms.buffer)[index] = value;
      return;
    }
    const shift = (index & 1) * 16;
    const kept = this.#norms[index >>> 1]! & ~(0xffff << shift);
    this.#norms[index >>> 1] = kept | toHalfBits(value) << shift;
  }

  #norm(head: number, token: number, which: 0 | 1): number {
    const index = this.#normIndex(head, token, which);
    return this.#settings.paramDtype === "f32"
      ? new Float32Array(this.#norms.buffer)[index]!
      : fromHalfBits(this.#norms[index >>> 1]! >>> ((index & 1) * 16) & 0xffff);
  }
}
