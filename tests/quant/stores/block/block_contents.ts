/** Unpacks the buffers of a block into codes and parameters, group after group. */
import { unpackRow } from "../../../../quant/packing/bit_packing.ts";
import type { BlockLayout } from "../../../../quant/stores/block/block_layout.ts";
import {
  type BlockFormat,
  loadBlockParameters,
} from "../../../../quant/stores/block/block_parameters.ts";
import type { Store } from "../../../../quant/family.ts";
import type { KvShape } from "../../../../quant/tensor.ts";

/** Codes `[groups][groupSize]`, and a scale and zero per group. */
export interface BlockContents {
  readonly codes: Uint8Array;
  readonly scale: Float32Array;
  readonly zero: Float32Array;
}

/** Reads a store that holds one block of this layout. */
export async function blockContents(
  store: Store<KvShape>,
  layout: BlockLayout,
  format: BlockFormat,
): Promise<BlockContents> {
  const [codeBuffer, parameterBuffer] = await store.contents();
  const { groups, groupSize, tenPerWord } = layout;
  const scale = new Float32Array(groups);
  const zero = new Float32Array(groups);
  loadBlockParameters(format, parameterBuffer!.words, scale, zero);
  const codes = new Uint8Array(groups * groupSize);
  for (const { bits, groups: count, firstGroup, firstWord, chunkWords } of layout.segments) {
    const row = new Int32Array(count * groupSize);
    if (tenPerWord) {
      // Padded words: ten codes each, a group starts on a word of its own.
      for (let i = 0; i < row.length; i++) {
        const inGroup = i % groupSize;
        const word = Math.floor(i / groupSize) * chunkWords + Math.floor(inGroup / 10);
        row[i] = codeBuffer!.words[firstWord + word]! >>> (inGroup % 10 * bits) & 7;
      }
    } else {
      unpackRow(codeBuffer!.words, firstWord, row.length, bits, row);
    }
    codes.set(row, firstGroup * groupSize);
  }
  return { codes, scale, zero };
}

/** `[rows][columns]` from `[columns][rows]`. */
export function transposed<A extends Uint8Array | Float32Array>(
  matrix: A,
  columns: number,
  rows: number,
): A {
  return matrix.map((_, i) => matrix[i % columns * rows + Math.floor(i / columns)]!) as A;
}
