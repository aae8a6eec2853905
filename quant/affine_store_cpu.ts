/**
 * The packed cache of an affine family in host memory: the reference implementation.
 *
 * @module
 */
import { quantizeGroup, restoreGroup } from "./affine_group.ts";
import { affineLayout, affineRange, type AffineSettings } from "./affine_settings.ts";
import { packRow, unpackRow } from "./bit_packing.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "./family.ts";
import { throwNotFinite } from "./finite_input.ts";
import type { Band, GroupLayout } from "./group_layout.ts";
import { loadParameters, parameterWords, storeParameters } from "./parameters.ts";
import { storedBuffers } from "./stored_buffers.ts";
import type { CpuTensor, TokenRange } from "./tensor.ts";

/** Store of an affine family over host tensors. `grow` throws at once on non-finite input. */
export class AffineStoreCpu implements Store<CpuTensor> {
  readonly layout: GroupLayout;
  /** Packed codes, unit after unit. */
  readonly codes: Uint32Array<ArrayBuffer>;
  /** Scales and zero points, group after group. */
  readonly parameters: Uint32Array<ArrayBuffer>;
  readonly #source: Source<CpuTensor>;
  readonly #settings: AffineSettings;
  readonly #rowCodes: Int32Array;
  readonly #row: Float32Array;
  readonly #scales: Float32Array;
  readonly #zeros: Float32Array;
  #quantized: TokenRange;
  #units = 0;

  constructor(source: Source<CpuTensor>, settings: AffineSettings, tokens: number) {
    const { heads, headDim } = source.tensor;
    this.#source = source;
    this.#settings = settings;
    this.layout = affineLayout(settings, headDim);
    const range = affineRange(settings, tokens);
    const units = (range.to - range.from) / this.layout.unitTokens;
    this.codes = new Uint32Array(units * this.layout.unitWords);
    this.parameters = new Uint32Array(
      parameterWords(settings.paramDtype, units * this.layout.unitGroups),
    );
    const rowCodes = Math.max(...this.layout.bands.map((band) => band.rowCodes));
    this.#rowCodes = new Int32Array(rowCodes);
    this.#row = new Float32Array(rowCodes);
    this.#scales = new Float32Array(Math.max(heads, 1) * headDim);
    this.#zeros = new Float32Array(Math.max(heads, 1) * headDim);
    this.#quantized = affineRange(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const range = affineRange(this.#settings, n);
    const units = (range.to - range.from) / this.layout.unitTokens;
    for (const band of this.layout.bands) {
      for (let unit = this.#units; unit < units; unit++) {
        const token = range.from + unit * this.layout.unitTokens;
        const finite = this.layout.axis === "token"
          ? this.#quantizeToken(band, unit, token)
          : this.#quantizeBlock(band, unit, token);
        if (!finite) {
          throwNotFinite(this.#source, this.#source.tensor, token, token + this.layout.unitTokens);
        }
      }
    }
    this.#units = Math.max(units, this.#units);
    this.#quantized = range;
  }

  restore(target: CpuTensor): void {
    for (const band of this.layout.bands) {
      for (let unit = 0; unit < this.#units; unit++) {
        const token = this.#quantized.from + unit * this.layout.unitTokens;
        if (this.layout.axis === "token") this.#restoreToken(band, unit, token, target);
        else this.#restoreBlock(band, unit, token, target);
      }
    }
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return storedBuffers(this.#settings, this.layout, affineRange(this.#settings, n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return Promise.resolve([
      { role: "codes", words: this.codes },
      { role: "scale_zero", words: this.parameters },
    ]);
  }

  free(): void {}

  /** Groups of consecutive channels, one row of codes per band. */
  #quantizeToken(band: Band, unit: number, token: number): boolean {
    const { headDim, capacity, data } = this.#source.tensor;
    const { groupSize, unitWords, unitGroups } = this.layout;
    const first = (band.firstHead * capacity + token) * headDim;
    let row = data;
    let base = first;
    if (band.heads > 1) {
      row = this.#row as Float32Array<ArrayBuffer>;
      base = 0;
      for (let head = 0; head < band.heads; head++) {
        const from = first + head * capacity * headDim;
        for (let i = 0; i < headDim; i++) row[head * headDim + i] = data[from + i]!;
      }
    }
    const groups = band.rowCodes / groupSize;
    for (let group = 0; group < groups; group++) {
      const at = group * groupSize;
      const finite = quantizeGroup(
        row,
        base + at,
        1,
        groupSize,
        band.topCode,
        this.#settings,
        this.#rowCodes,
        at,
        this.#scales,
        this.#zeros,
        group,
      );
      if (!finite) return false;
    }
    packRow(
      this.#rowCodes,
      band.rowCodes,
      band.bits,
      this.codes,
      unit * unitWords + band.wordOffset,
    );
    this.#storeParameters(groups, unit * unitGroups + band.groupOffset);
    return true;
  }

  /** Groups of consecutive tokens, one row of codes per channel of a head. */
  #quantizeBlock(band: Band, unit: number, token: number): boolean {
    const { headDim, capacity, data } = this.#source.tensor;
    const { groupSize, unitWords, unitGroups } = this.layout;
    const base = (band.firstHead * capacity + token) * headDim;
    let at = unit * unitWords + band.wordOffset;
    for (let channel = 0; channel < headDim; channel++, at += band.rowWords) {
      const finite = quantizeGroup(
        data,
        base + channel,
        headDim,
        groupSize,
        band.topCode,
        this.#settings,
        this.#rowCodes,
        0,
        this.#scales,
        this.#zeros,
        channel,
      );
      if (!finite) return false;
      packRow(this.#rowCodes, groupSize, band.bits, this.codes, at);
    }
    this.#storeParameters(headDim, unit * unitGroups + band.groupOffset);
    return true;
  }

  #restoreToken(band: Band, unit: number, token: number, target: CpuTensor): void {
    const { headDim, capacity, data } = target;
    const { groupSize, unitWords, unitGroups } = this.layout;
    const groups = band.rowCodes / groupSize;
    this.#loadParameters(unit * unitGroups + band.groupOffset, groups);
    unpackRow(
      this.codes,
      unit * unitWords + band.wordOffset,
      band.rowCodes,
      band.bits,
      this.#rowCodes,
    );
    const first = (band.firstHead * capacity + token) * headDim;
    const row = band.heads > 1 ? this.#row : data;
    const base = band.heads > 1 ? 0 : first;
    for (let group = 0; group < groups; group++) {
      const at = group * groupSize;
      restoreGroup(
        this.#rowCodes,
        at,
        groupSize,
        this.#scales[group]!,
        this.#zeros[group]!,
        this.#settings.arithmetic,
        row,
        base + at,
        1,
      );
    }
    if (band.heads > 1) {
      for (let head = 0; head < band.heads; head++) {
        const to = first + head * capacity * headDim;
        for (let i = 0; i < headDim; i++) data[to + i] = row[head * headDim + i]!;
      }
    }
  }

  #restoreBlock(band: Band, unit: number, token: number, target: CpuTensor): void {
    const { headDim, capacity, data } = target;
    const { groupSize, unitWords, unitGroups } = this.layout;
    this.#loadParameters(unit * unitGroups + band.groupOffset, headDim);
    const base = (band.firstHead * capacity + token) * headDim;
    let at = unit * unitWords + band.wordOffset;
    for (let channel = 0; channel < headDim; channel++, at += band.rowWords) {
      unpackRow(this.codes, at, groupSize, band.bits, this.#rowCodes);
      restoreGroup(
        this.#rowCodes,
        0,
        groupSize,
        this.#scales[channel]!,
        this.#zeros[channel]!,
        this.#settings.arithmetic,
        data,
        base + channel,
        headDim,
      );
    }
  }

  #storeParameters(count: number, first: number): void {
    const type = this.#settings.paramDtype;
    storeParameters(type, this.#scales, this.#zeros, count, this.parameters, first);
  }

  #loadParameters(first: number, count: number): void {
    const type = this.#settings.paramDtype;
    loadParameters(type, this.parameters, first, count, this.#scales, this.#zeros);
  }
}
