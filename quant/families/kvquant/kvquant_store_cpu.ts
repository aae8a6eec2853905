/**
 * The packed cache of `kvquant` in host memory: the reference implementation.
 *
 * A token holds rows of packed codes, a scale and a zero point when its range is its own (token
 * axis), and its outliers: one word each, the half-precision value in the low half and the position
 * among the channels of all heads in the high half. A row pointer per token says where its outliers
 * end.
 *
 * @module
 */
import { packRow, unpackRow } from "../../packing/bit_packing.ts";
import { type Codebook, CodeFinder } from "../../numerics/codebook.ts";
import { FloatRow } from "../../numerics/extremes.ts";
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { bookOf, type ChannelRule, channelRule, channelTable, tokenRule } from "./kvquant_rule.ts";
import {
  type CodeRow,
  kvquantRange,
  type KvquantSettings,
  type TokenRows,
  tokenRows,
} from "./kvquant_settings.ts";
import { kvquantBuffers, outlierWords } from "./kvquant_buffers.ts";
import { loadParameters, parameterWords, storeParameters } from "../../packing/parameters.ts";
import { roundEven } from "../../numerics/round_even.ts";
import { QuantileEnds } from "../../numerics/quantile_ends.ts";
import { placeToken, preRopeOf } from "../../stores/rope/rope_restore.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import { usedContents } from "../../packing/used_contents.ts";

/** A row of codes with what its codes mean. */
interface BookRow extends CodeRow {
  readonly book: Codebook;
  readonly finder: CodeFinder;
  /** Code of entries that the outliers overlay. */
  readonly maskedCode: number;
  /** Channel axis: restored values. */
  readonly table: Float32Array | undefined;
}

/** Store of `kvquant` over host tensors. `grow` throws at once on non-finite input. */
export class KvquantStoreCpu implements Store<CpuTensor> {
  readonly #source: Source<CpuTensor>;
  readonly #tensor: CpuTensor;
  readonly #settings: KvquantSettings;
  readonly #layout: TokenRows;
  readonly #rows: readonly BookRow[];
  readonly #channels: ChannelRule | undefined;
  readonly #ends: QuantileEnds | undefined;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #parameters: Uint32Array<ArrayBuffer>;
  /** Outliers of all tokens up to and including each. */
  readonly #rowEnds: Uint32Array<ArrayBuffer>;
  #outliers: Uint32Array<ArrayBuffer>;
  readonly #floats: FloatRow;
  readonly #row: Float32Array;
  readonly #rowCodes: Int32Array;
  readonly #masked: Int32Array;
  readonly #scale = new Float32Array(1);
  readonly #zero = new Float32Array(1);
  readonly #values = new Float32Array(256);
  #quantized: TokenRange;
  #tokens = 0;
  /** Tokens of the last snapshot. */
  #length = 0;

  constructor(source: Source<CpuTensor>, settings: KvquantSettings, tokens: number) {
    this.#source = source;
    this.#tensor = settings.preRope ? preRopeOf(source).tensor : source.tensor;
    this.#settings = settings;
    const { heads, headDim } = this.#tensor;
    const channels = heads * headDim;
    this.#layout = tokenRows(settings.bits, headDim);
    const rule = settings.axis === "channel" ? channelRule(settings, headDim) : undefined;
    this.#channels = rule;
    this.#rows = this.#layout.rows.map((row) => {
      const book = bookOf(settings, row.bits);
      const finder = new CodeFinder(book.bounds);
      return {
        ...row,
        book,
        finder,
        maskedCode: settings.quantizer === "int" ? 0 : finder.find(0),
        table: rule && channelTable(settings, rule, book, row.firstHead * headDim, row.codes),
      };
    });
    const sparse = settings.outliersRatio > 0;
    this.#ends = sparse && rule === undefined
      ? new QuantileEnds(1 - settings.outliersRatio / 2, channels)
      : undefined;
    const range = kvquantRange(settings, tokens);
    const room = range.to - range.from;
    this.#codes = new Uint32Array(room * this.#layout.words);
    this.#parameters = new Uint32Array(
      rule === undefined ? parameterWords(settings.paramDtype, room) : 0,
    );
    this.#rowEnds = new Uint32Array(sparse ? room : 0);
    const expected = room * Math.ceil(1.5 * settings.outliersRatio * channels + 2);
    this.#outliers = new Uint32Array(sparse ? expected * outlierWords(settings) : 0);
    this.#floats = new FloatRow(new Float32Array(channels));
    this.#row = this.#floats.values;
    this.#rowCodes = new Int32Array(channels);
    this.#masked = new Int32Array(channels);
    this.#quantized = kvquantRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = kvquantRange(this.#settings, n);
    const tokens = range.to - range.from;
    for (let unit = this.#tokens; unit < tokens; unit++) {
      if (!this.#gather(range.from + unit)) {
        const token = range.from + unit;
        throwNotFinite(this.#source, this.#tensor, token, token + 1);
      }
      const masked = this.#channels === undefined
        ? this.#quantizeByToken(unit)
        : this.#quantizeByChannel(this.#channels);
      for (const row of this.#rows) {
        const at = unit * this.#layout.words + row.wordOffset;
        const codes = this.#rowCodes.subarray(row.firstHead * this.#tensor.headDim);
        packRow(codes, row.codes, row.bits, this.#codes, at);
      }
      if (this.#rowEnds.length > 0) this.#storeOutliers(unit, masked);
    }
    this.#tokens = tokens;
    this.#length = n;
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    const rope = this.#settings.preRope ? preRopeOf(this.#source).rope : undefined;
    for (let unit = 0; unit < this.#tokens; unit++) {
      this.#decode(unit);
      if (this.#rowEnds.length > 0) this.#overlay(unit);
      placeToken(this.#row, rope, this.#quantized.from + unit, target);
    }
  }

  constants(): readonly ConstantBuffer[] {
    const ofRows = this.#rows.flatMap(({ book: { values, bounds }, table }) =>
      // Levels of a channel say all that the codebook does.
      Object.entries(table === undefined ? { values, bounds } : { table, bounds })
    );
    return [...ofRows, ...Object.entries<Float32Array>({ ...this.#channels })]
      .map(([role, memory]) => ({ role, memory }));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const range = kvquantRange(this.#settings, n);
    const tokens = range.to - range.from;
    const outliers = tokens === 0 ? 0 : this.#rowEnds[tokens - 1] ?? 0;
    return kvquantBuffers(this.#settings, this.#layout, this.#tensor.headDim, tokens, outliers);
  }

  contents(): Promise<readonly BufferContents[]> {
    const words = {
      codes: this.#codes,
      scale_zero: this.#parameters,
      row_pointers: this.#rowEnds,
      outliers: this.#outliers,
    };
    return Promise.resolve(usedContents(this.buffers(this.#length), words));
  }

  free(): void {}

  /** Brings one token's channels of all heads together; false when an entry is not finite. */
  #gather(token: number): boolean {
    const { data, heads, capacity, headDim } = this.#tensor;
    const row = this.#row;
    let at = 0;
    // A double cannot overflow by adding float32 values, so the sum tells whether all are finite.
    let sum = 0;
    for (let head = 0; head < heads; head++) {
      let from = (head * capacity + token) * headDim;
      for (const end = from + headDim; from < end; from++) {
        const x = data[from]!;
        row[at++] = x;
        sum += x;
      }
    }
    return sum - sum === 0;
  }

  /** Codes a token by its own range; returns how many outliers it has. */
  #quantizeByToken(unit: number): number {
    const row = this.#row;
    const count = row.length;
    let low = Infinity, high = -Infinity;
    let masked = 0;
    if (this.#ends === undefined) {
      for (let i = 0; i < count; i++) {
        const x = row[i]!;
        if (x < low) low = x;
        if (x > high) high = x;
      }
    } else {
      this.#ends.find(this.#floats);
      const { low: first, high: last } = this.#ends;
      for (let i = 0; i < count; i++) {
        const x = row[i]!;
        if (x <= first || x >= last) this.#masked[masked++] = i;
      }
      // Where everything is an outlier the range does not matter.
      low = masked === count ? first : this.#ends.innerLow;
      high = masked === count ? first : this.#ends.innerHigh;
    }
    const { scale, zero } = tokenRule(this.#settings, this.#rows[0]!.bits, low, high);
    this.#scale[0] = scale;
    this.#zero[0] = zero;
    const type = this.#settings.paramDtype;
    storeParameters(type, this.#scale, this.#zero, 1, this.#parameters, unit);
    const whole = this.#settings.quantizer === "int";
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (const { firstHead, codes, bits, finder } of this.#rows) {
      const from = firstHead * this.#tensor.headDim;
      if (whole) {
        const top = 2 ** bits - 1;
        const steps = inverse * top / 2;
        for (let i = from; i < from + codes; i++) {
          const code = Math.fround((row[i]! - zero) * steps);
          this.#rowCodes[i] = roundEven(code < 0 ? 0 : code > top ? top : code);
        }
      } else {
        finder.findRow(row, from, codes, zero, inverse, this.#rowCodes.subarray(from));
      }
    }
    this.#maskCodes(masked);
    return masked;
  }

  /** Codes a token by calibrated ranges; returns how many outliers it has. */
  #quantizeByChannel(rule: ChannelRule): number {
    const row = this.#row;
    const { lower, upper, factor, offset } = rule;
    const sparse = this.#rowEnds.length > 0;
    const whole = this.#settings.quantizer === "int";
    let masked = 0;
    for (const { firstHead, codes, bits, finder } of this.#rows) {
      const from = firstHead * this.#tensor.headDim;
      if (whole) {
        const top = 2 ** bits - 1;
        for (let i = from; i < from + codes; i++) {
          const code = Math.fround(Math.fround(row[i]! * factor[i]!) - offset[i]!);
          this.#rowCodes[i] = roundEven(code < 0 ? 0 : code > top ? top : code);
        }
      } else {
        finder.findChannels(row, from, from + codes, offset, factor, this.#rowCodes);
      }
    }
    if (!sparse) return 0;
    for (let i = 0; i < row.length; i++) {
      const x = row[i]!;
      if (x < lower[i]! || x > upper[i]!) this.#masked[masked++] = i;
    }
    this.#maskCodes(masked);
    return masked;
  }

  #maskCodes(masked: number): void {
    if (masked === 0) return;
    for (const { firstHead, codes, maskedCode } of this.#rows) {
      const from = firstHead * this.#tensor.headDim;
      for (let m = 0; m < masked; m++) {
        const i = this.#masked[m]!;
        if (i >= from && i < from + codes) this.#rowCodes[i] = maskedCode;
      }
    }
  }

  #storeOutliers(unit: number, masked: number): void {
    const size = outlierWords(this.#settings);
    const first = unit === 0 ? 0 : this.#rowEnds[unit - 1]!;
    const end = first + masked;
    this.#rowEnds[unit] = end;
    if (end * size > this.#outliers.length) {
      const larger = new Uint32Array(Math.ceil(1.5 * end * size));
      larger.set(this.#outliers.subarray(0, first * size));
      this.#outliers = larger;
    }
    for (let m = 0, at = first * size; m < masked; m++) {
      const position = this.#masked[m]!;
      const x = this.#row[position]!;
      if (size === 1) {
        this.#outliers[at++] = toHalfBits(x) | (position << 16);
      } else {
        floats[0] = x;
        this.#outliers[at++] = floatBits[0]!;
        this.#outliers[at++] = position;
      }
    }
  }

  #decode(unit: number): void {
    const row = this.#row;
    const rowCodes = this.#rowCodes;
    let scale = 0, zero = 0;
    if (this.#channels === undefined) {
      const type = this.#settings.paramDtype;
      loadParameters(type, this.#parameters, unit, 1, this.#scale, this.#zero);
      [scale, zero] = [this.#scale[0]!, this.#zero[0]!];
    }
    for (const { firstHead, codes, bits, wordOffset, table, book } of this.#rows) {
      const from = firstHead * this.#tensor.headDim;
      unpackRow(this.#codes, unit * this.#layout.words + wordOffset, codes, bits, rowCodes);
      if (table !== undefined) {
        for (let i = 0, base = 0; i < codes; i++, base += 1 << bits) {
          row[from + i] = table[base + rowCodes[i]!]!;
        }
      } else {
        const values = this.#values;
        for (let code = 0; code < book.values.length; code++) {
          values[code] = Math.fround(book.values[code]! * scale) + zero;
        }
        for (let i = 0; i < codes; i++) row[from + i] = values[rowCodes[i]!]!;
      }
    }
  }

  #overlay(unit: number): void {
    const size = outlierWords(this.#settings);
    const end = this.#rowEnds[unit]!;
    for (let o = unit === 0 ? 0 : this.#rowEnds[unit - 1]!; o < end; o++) {
      if (size === 1) {
        const word = this.#outliers[o]!;
        this.#row[word >>> 16] = fromHalfBits(word & 0xffff);
      } else {
        floatBits[0] = this.#outliers[2 * o]!;
        this.#row[this.#outliers[2 * o + 1]!] = floats[0]!;
      }
    }
  }
}

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);
