/**
 * Packed rows in cpu memory: the reference implementation.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, Source, Store, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { hadamardRows } from "../../numerics/hadamard_rows.ts";
import { usedContents } from "../../packing/used_contents.ts";
import type { CpuTensor, TokenRange } from "../../tensor.ts";
import {
  packHalves,
  packStream,
  putNumber,
  takeNumber,
  unpackHalves,
  unpackStream,
} from "./row_codes.ts";
import {
  MOST_ROTATED,
  rowBuffers,
  type RowFormat,
  type RowLayout,
  rowLayout,
  type RowSettings,
  rowWords,
} from "./row_format.ts";

/** Rows of one head that are rotated together. */
const TILE = 64;

/** Bits of a float32 without its sign from which on it is infinite or NaN. */
const INFINITE = 0x7f800000;

/** Store of rows over tensors in cpu memory. `grow` throws at once on non-finite input. */
export class RowStoreCpu<S extends RowSettings> implements Store<CpuTensor> {
  readonly #layout: RowLayout;
  readonly #codes: Uint32Array<ArrayBuffer>;
  readonly #parameters: Uint32Array<ArrayBuffer>;
  readonly #codeBytes: Uint8Array;
  /** Where the numbers of blocks lie: among the codes, or apart. */
  readonly #numberBytes: Uint8Array;
  readonly #rows: Float32Array<ArrayBuffer>;
  readonly #bits: Uint32Array;
  /** The blocks of `#rows`. */
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
    this.#codeBytes = new Uint8Array(this.#codes.buffer);
    this.#numberBytes = this.#layout.parameterBytes === 0
      ? this.#codeBytes
      : new Uint8Array(this.#parameters.buffer);
    const rows = this.#rows = new Float32Array(TILE * headDim);
    this.#bits = new Uint32Array(rows.buffer);
    this.#entries = Array.from(
      { length: TILE * this.#layout.blocks },
      (_, i) => rows.subarray(i * blockEntries, (i + 1) * blockEntries),
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
    for (let token = from + held; token < to; token += TILE) {
      const count = Math.min(TILE, to - token);
      for (let head = 0; head < this.settings.bits.length; head++) {
        if (!this.#load(head, token, count)) {
          throwNotFinite(this.source, this.source.tensor, token, token + count);
        }
        this.#quantizeRows(token - from, head, count);
      }
    }
    this.#quantized = { from, to };
    this.#length = n;
  }

  constants(): readonly ConstantBuffer[] {
    const { constants: memory } = this.format;
    return memory === undefined ? [] : [{ role: "scales", memory }];
  }

  restore(target: CpuTensor): void {
    const { headDim, bits } = this.settings;
    const { from, to } = this.#quantized;
    for (let token = from; token < to; token += TILE) {
      const count = Math.min(TILE, to - token);
      for (let head = 0; head < bits.length; head++) {
        this.#restoreRows(token - from, head, count);
        const at = (head * target.capacity + token) * headDim;
        target.data.set(this.#rows.subarray(0, count * headDim), at);
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

  /** Reads rows of a head; false when an entry is NaN or infinite. */
  #load(head: number, token: number, count: number): boolean {
    const { data, capacity, headDim } = this.source.tensor;
    const at = (head * capacity + token) * headDim;
    const entries = count * headDim;
    this.#rows.set(data.subarray(at, at + entries));
    const bits = this.#bits;
    let largest = 0;
    for (let i = 0; i < entries; i++) largest = Math.max(largest, bits[i]! & 0x7fffffff);
    return largest < INFINITE;
  }

  #quantizeRows(token: number, head: number, count: number): void {
    const { arithmetic, constants, rotation, codeBits, codeOrder, parameterBits } = this.format;
    if (rotation > 1) {
      const rows = this.#rows;
      for (let i = 0; i < count * this.settings.headDim; i++) {
        rows[i] = Math.min(Math.max(rows[i]!, -MOST_ROTATED), MOST_ROTATED);
      }
      this.#rotate(count);
    }
    const [codes, stored] = [this.#block, this.#stored];
    const { blocks, codeBytes, codesAt, numbersAt } = this.#layout;
    const constant = constants?.[head] ?? 1;
    const pack = codeOrder === "stream" ? packStream : packHalves;
    for (let i = 0; i < count * blocks; i++) {
      arithmetic.quantize(this.#entries[i]!, constant, codes, stored);
      const block = this.#blockIndex(token, head, i);
      pack(codes, codeBits, this.#codeBytes, block * codeBytes + codesAt);
      const at = this.#numbersOf(block);
      for (let k = 0; k < stored.length; k++) {
        putNumber(stored[k]!, parameterBits[k]!, this.#numberBytes, at + numbersAt[k]!);
      }
    }
  }

  #restoreRows(token: number, head: number, count: number): void {
    const { arithmetic, constants, rotation, codeBits, codeOrder, parameterBits } = this.format;
    const [codes, stored] = [this.#block, this.#stored];
    const { blocks, codeBytes, codesAt, numbersAt } = this.#layout;
    const constant = constants?.[head] ?? 1;
    const unpack = codeOrder === "stream" ? unpackStream : unpackHalves;
    for (let i = 0; i < count * blocks; i++) {
      const block = this.#blockIndex(token, head, i);
      unpack(this.#codeBytes, block * codeBytes + codesAt, codeBits, codes);
      const at = this.#numbersOf(block);
      for (let k = 0; k < stored.length; k++) {
        stored[k] = takeNumber(parameterBits[k]!, this.#numberBytes, at + numbersAt[k]!);
      }
      arithmetic.restore(codes, stored, constant, this.#entries[i]!);
    }
    if (rotation > 1) this.#rotate(count);
  }

  /** Rotations do not reach from one row into the next, but a row may have several. */
  #rotate(count: number): void {
    const { rotation } = this.format;
    hadamardRows(this.#rows, count * this.settings.headDim / rotation, rotation);
  }

  /** Index of block `i` of the rows of a head that begin at `token`. */
  #blockIndex(token: number, head: number, i: number): number {
    const { blocks } = this.#layout;
    const row = Math.floor(i / blocks);
    return ((token + row) * this.settings.bits.length + head) * blocks + i - row * blocks;
  }

  /** Byte at which a block's numbers lie. */
  #numbersOf(block: number): number {
    const { codeBytes, parameterBytes } = this.#layout;
    return block * (parameterBytes === 0 ? codeBytes : parameterBytes);
  }
}
