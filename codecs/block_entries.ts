/**
 * Entries of blocks, one block after the other, `[heads, tokens, headDim]` each, out of a tensor of all
 * tokens and back into one.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";

/** Consecutive blocks. */
export interface Blocks {
  /** Token of the tensor that the first block begins with. */
  readonly first: number;
  /** Tokens of one block. */
  readonly tokens: number;
  readonly count: number;
}

/** A tensor in cpu memory, `[heads, capacity, headDim]`. */
type Tensor = KvShape & { readonly data: Float32Array };

/** Fewer entries than this are copied sooner than two views are made for `set`. */
const FEW = 256;

/**
 * Copies blocks out of a tensor.
 *
 * @param at index of `into` that the first block begins at
 */
export function readBlocks(tensor: Tensor, blocks: Blocks, into: Float32Array, at: number): void {
  each(tensor, blocks, at, (place, entry, length) => {
    copy(tensor.data, place, into, entry, length);
  });
}

/** Copies blocks into a tensor; the first one begins at index 0 of `from`. */
export function writeBlocks(tensor: Tensor, blocks: Blocks, from: Float32Array): void {
  each(tensor, blocks, 0, (place, entry, length) => {
    copy(from, entry, tensor.data, place, length);
  });
}

/** The pieces of all blocks that lie together in the tensor and in the blocks. */
function each(
  { heads, capacity, headDim }: KvShape,
  { first, tokens, count }: Blocks,
  at: number,
  piece: (place: number, entry: number, length: number) => void,
): void {
  const length = tokens * headDim;
  let entry = at;
  for (let b = 0; b < count; b++) {
    for (let head = 0; head < heads; head++) {
      piece((head * capacity + first + b * tokens) * headDim, entry, length);
      entry += length;
    }
  }
}

function copy(
  from: Float32Array,
  at: number,
  into: Float32Array,
  to: number,
  length: number,
): void {
  if (length < FEW) { for (let i = 0; i < length; i++) into[to + i] = from[at + i]!; }
  else into.set(from.subarray(at, at + length), to);
}
