/**
 * Packed rows in cpu memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { hadamard } from "../../numerics/random_rotation.ts";
import { putBits, takeBits } from "../../packing/bit_fields.ts";
import { usedContents } from "../../packing/used_contents.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import {
  MOST_ROTATED,
  rowBuffers,
  type RowField,
  type RowFormat,
  type RowLayout,
  rowLayout,
  type RowSettings,
  rowWords,
} from "./row_format.ts";

/** Store of rows over tensors in cpu memory. `grow` throws at once on non-finite input. */
export class RowStoreCpu<S extends RowSettings> implements Store<CpuTensor> {
  readonly #layout: RowLayout;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #parameters: Uint32Array<ArrayBuffer>;
  readonly #row: Float32Array<ArrayBuffer>;
  /** The blocks of `#row`. */
  readonly #entries: readonly Float32Array[];
  /** Codes and numbers of one block. */
  readonly #block: Int32Array;
  readonly #stored: Uint32Array;
  #quantized: TokenRange;
  #length = 0;

  /**
   * @param rangeOf which tokens of a snapshot are quantized (`Family.quantizedRange`)
   * @param tokens of the longest snapshot
   */
  constructor(
    private readonly source: Source<CpuTensor>,
    private readonly settings: S,
    private readonly format: RowFormat,
    private readonly rangeOf: (settings: S, n: number) => TokenRange,
    tokens: number,
  ) {
    const { headDim, bits } = settings;
    const { blockEntries, parameterBits } = format;
    this.#layout = rowLayout(format, headDim);
    const { from, to } = rangeOf(settings, tokens);
    const words = rowWords(this.#layout, bits.length, to - from);
    this.#codes = new Uint32Array(words.codes);
    this.#parameters = new Uint32Array(words.parameters);
    const row = this.#row = new Float32Array(headDim);
    this.#entries = Array.from(
      { length: this.#layout.blocks },
      (_, i) => row.subarray(i * blockEntries, (i + 1) * blockEntries),
    );
    this.#block = new Int32Array(blockEntries);
    this.#stored = new Uint32Array(parameterBits.length);
    this.#quantized = rangeOf(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    const held = this.#quantized.to - this.#quantized.from;
    const { from, to } = this.rangeOf(this.settings, n);
    for (let token = from + held; token < to; token++) {
      for (let head = 0; head < this.settings.bits.length; head++) {
        if (!this.#load(head, token)) {
          throwNotFinite(this.source, this.source.tensor, token, token + 1);
        }
        this.#quantizeRow(token - from, head);
      }
    }
    this.#quantized = { from, to };
    this.#length = n;
  }

  restore(target: CpuTensor): void {
    const { headDim, bits } = this.settings;
    const { from, to } = this.#quantized;
    for (let token = from; token < to; token++) {
      for (let head = 0; head < bits.length; head++) {
        this.#restoreRow(token - from, head);
        target.data.set(this.#row, (head * target.capacity + token) * headDim);
      }
    }
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  buffers(n: number): readonly StoredBuffer[] {
    const { from, to } = this.rangeOf(this.settings, n);
    return rowBuffers(this.settings, this.#layout, to - from);
  }

  contents(): Promise<readonly BufferContents[]> {
    const words = { codes: this.#codes, parameters: this.#parameters };
    return Promise.resolve(usedContents(this.buffers(this.#length), words));
  }

  free(): void {}

  /** Reads a row; false when an entry is NaN or infinite. */
  #load(head: number, token: number): boolean {
    const { data, capacity, headDim } = this.source.tensor;
    const at = (head * capacity + token) * headDim;
    const row = this.#row;
    row.set(data.subarray(at, at + headDim));
    for (let i = 0; i < headDim; i++) if (!Number.isFinite(row[i]!)) return false;
    return true;
  }

  #quantizeRow(token: number, head: number): void {
    if (this.format.rotation > 1) {
      const row = this.#row;
      for (let i = 0; i < row.length; i++) {
        row[i] = Math.min(Math.max(row[i]!, -MOST_ROTATED), MOST_ROTATED);
      }
      this.#rotate();
    }
    const { arithmetic, constants } = this.format;
    const [codes, stored, layout] = [this.#block, this.#stored, this.#layout];
    for (const [i, entries] of this.#entries.entries()) {
      arithmetic.quantize(entries, constants?.[head] ?? 1, codes, stored);
      const block = this.#blockIndex(token, head, i);
      put(layout.codes, codes, this.#codes, block * layout.codeBytes);
      put(layout.parameters, stored, ...this.#parametersOf(block));
    }
  }

  #restoreRow(token: number, head: number): void {
    const { arithmetic, constants, rotation } = this.format;
    const [codes, stored, layout] = [this.#block, this.#stored, this.#layout];
    for (const [i, entries] of this.#entries.entries()) {
      const block = this.#blockIndex(token, head, i);
      take(layout.codes, codes, this.#codes, block * layout.codeBytes);
      take(layout.parameters, stored, ...this.#parametersOf(block));
      arithmetic.restore(codes, stored, constants?.[head] ?? 1, entries);
    }
    if (rotation > 1) this.#rotate();
  }

  #rotate(): void {
    const { rotation } = this.format;
    for (let at = 0; at < this.#row.length; at += rotation) hadamard(this.#row, at, rotation);
  }

  #blockIndex(token: number, head: number, i: number): number {
    return (token * this.settings.bits.length + head) * this.#layout.blocks + i;
  }

  /** Words and byte at which a block's numbers lie. */
  #parametersOf(block: number): [Uint32Array, number] {
    const { codeBytes, parameterBytes } = this.#layout;
    return parameterBytes === 0
      ? [this.#codes, block * codeBytes]
      : [this.#parameters, block * parameterBytes];
  }
}

function put(
  fields: readonly RowField[],
  values: Int32Array | Uint32Array,
  words: Uint32Array,
  byte: number,
): void {
  for (const { of, bit, width, shift } of fields) {
    putBits(words, byte, bit, width, width === 32 ? values[of]! : part(values[of]!, shift, width));
  }
}

function part(value: number, shift: number, width: number): number {
  return value >>> shift & (1 << width) - 1;
}

function take(
  fields: readonly RowField[],
  values: Int32Array | Uint32Array,
  words: Uint32Array,
  byte: number,
): void {
  for (const { of, bit, width, shift } of fields) {
    const found = takeBits(words, byte, bit, width) << shift;
    values[of] = shift === 0 ? found : values[of]! | found;
  }
}
