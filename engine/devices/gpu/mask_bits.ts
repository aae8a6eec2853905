/**
 * A mask with a bit for each entry.
 *
 * @module
 */
import type { ForwardInput } from "../../engine.ts";
import type { KvShape } from "../../../quant/tensor.ts";

/** What the attention kernel is told of who sees what. */
export interface MaskBits {
  /** A row after the other: the past, filled up to whole words, then the fed tokens. */
  readonly bits: Uint32Array<ArrayBuffer>;
  /** Words of a row, and those of them for the past. */
  readonly words: number;
  readonly pastWords: number;
  /** Entries of the past that all see, where the fed tokens see each other causally and nothing else. */
  readonly causal?: number;
}

const WORD = 32;

/** The bits of a pass. */
export function maskBits(
  input: Pick<ForwardInput<KvShape>, "ids" | "past" | "mask" | "maskLayers" | "causal">,
): MaskBits {
  const { ids, past, maskLayers, causal } = input;
  if (causal !== undefined) return { bits: new Uint32Array(1), words: 0, pastWords: 0, causal };
  const { mask } = input;
  const rows = ids.length;
  const { capacity } = past[0]!.key;
  const pastWords = Math.ceil(capacity / WORD);
  const words = pastWords + Math.ceil(rows / WORD);
  const bits = new Uint32Array(maskLayers * rows * words);
  const columns = capacity + rows;
  for (let row = 0; row < maskLayers * rows; row++) {
    const first = row * columns;
    for (let column = 0; column < columns; column++) {
      if (mask[first + column] !== 0) continue;
      const bit = column < capacity ? column : pastWords * WORD + column - capacity;
      bits[row * words + Math.floor(bit / WORD)]! |= 1 << bit % WORD;
    }
  }
  return { bits, words, pastWords };
}
