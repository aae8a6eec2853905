/**
 * What is stored of a row, the channels of one token in one head, when it is quantized by itself:
 * blocks of consecutive channels, each with its codes and the numbers that were fitted to it. Engines
 * store their caches so, because a token then needs nothing but itself.
 *
 * Rows follow each other token by token, head by head. Blocks of a row lie behind each other, either
 * as one piece of numbers and codes (`"together"`, as in ggml), or with the codes in one buffer and
 * the numbers in another (`"apart"`). Codes lie in a block
 *
 * - in a `"stream"`: code `i` from bit `i * codeBits` on;
 * - in `"halves"`, ggml's order for 4 and 5 bits: the low four bits of code `i` in the low half of
 *   byte `i`, those of code `i + entries / 2` in its high half, and before them the fifth bits.
 *
 * @module
 */
import type { Settings, StoredBuffer } from "../../family.ts";

/** Settings that a store of rows reads. */
export interface RowSettings extends Settings {
  readonly headDim: number;
}

/** The arithmetic of a block in cpu memory; all of it in float32, so that WGSL can do the same. */
export interface RowArithmetic {
  /**
   * Codes a block.
   *
   * @param entries of the block, finite
   * @param constant of the head, learned offline; 1 without one
   * @param codes filled, each of `codeBits` bits
   * @param stored filled with the bits of the block's numbers
   */
  quantize(
    entries: Float32Array,
    constant: number,
    codes: Int32Array,
    stored: Uint32Array,
  ): void;
  /** Fills `entries` with what codes and numbers stand for. */
  restore(
    codes: Int32Array,
    stored: Uint32Array,
    constant: number,
    entries: Float32Array,
  ): void;
}

/** How rows are stored. */
export interface RowFormat {
  /** Entries of a block; they divide a row, and a block's codes fill whole bytes. */
  readonly blockEntries: number;
  /** Width of a code: up to 8 bits, or 16. */
  readonly codeBits: number;
  /** Widths of up to two numbers of a block: 8, 16 or 32 bits. */
  readonly parameterBits: readonly number[];
  readonly place: "together" | "apart";
  readonly codeOrder: "stream" | "halves";
  /** Entries that a Hadamard matrix mixes before they are coded: a power of two; 1 for none. */
  readonly rotation: number;
  readonly arithmetic: RowArithmetic;
  /** A number per head, learned offline. */
  readonly constants?: Float32Array<ArrayBuffer>;
}

/** Where everything lies in a row. */
export interface RowLayout {
  /** Blocks of a row. */
  readonly blocks: number;
  /** Bytes from one block to the next in `codes`. */
  readonly codeBytes: number;
  /** The same in `parameters`; 0 where numbers lie with the codes, or there are none. */
  readonly parameterBytes: number;
  /** Byte of a block at which its codes begin. */
  readonly codesAt: number;
  /** Bytes at which its numbers do. */
  readonly numbersAt: readonly number[];
}

/** The layout of rows of `headDim` channels. */
export function rowLayout(format: RowFormat, headDim: number): RowLayout {
  const { blockEntries, codeBits, parameterBits, place } = format;
  let bytes = 0;
  const numbersAt = parameterBits.map((width) => {
    bytes += width / 8;
    return bytes - width / 8;
  });
  const codesAt = place === "together" ? bytes : 0;
  return {
    blocks: headDim / blockEntries,
    codeBytes: codesAt + blockEntries * codeBits / 8,
    parameterBytes: place === "together" ? 0 : bytes,
    codesAt,
    numbersAt,
  };
}

/** Words of the buffers that hold `tokens` tokens. */
export function rowWords(
  { blocks, codeBytes, parameterBytes }: RowLayout,
  heads: number,
  tokens: number,
): { readonly codes: number; readonly parameters: number } {
  const count = tokens * heads * blocks;
  return {
    codes: Math.ceil(count * codeBytes / 4),
    parameters: Math.ceil(count * parameterBytes / 4),
  };
}

/** The buffers of a store that holds `tokens` tokens. */
export function rowBuffers(
  { bits, headDim }: RowSettings,
  layout: RowLayout,
  tokens: number,
): StoredBuffer[] {
  const words = rowWords(layout, bits.length, tokens);
  const codes = {
    role: "codes",
    bytes: 4 * words.codes,
    bits,
    codes: bits.map(() => tokens * headDim),
  };
  if (layout.parameterBytes === 0) return [codes];
  return [codes, { role: "parameters", bytes: 4 * words.parameters }];
}

/** Entries beyond this saturate before they are rotated, so that no sum becomes infinite. */
export const MOST_ROTATED = Math.fround(1e30);
