/**
 * A block: the first tokens of one layer and kind, quantized together in one go.
 *
 * @module
 */
import type { BlockLayout } from "./block_layout.ts";
import { type BlockFormat, blockParameterWords, parameterRole } from "./block_parameters.ts";
import type { BufferContents, StoredBuffer } from "../../family.ts";
import type { KvShape } from "../../tensor.ts";

/** Tokens `0 .. tokens - 1` of a tensor, packed. */
export interface PackedBlock<T extends KvShape> {
  /** Tokens that are quantized: those that fill whole groups. */
  readonly tokens: number;
  /** Writes the restored values to the same positions of `target`. */
  restore(target: T): void;
  /** Waits for device work; throws on non-finite input. */
  settle(): Promise<void>;
  readonly buffers: readonly StoredBuffer[];
  contents(): Promise<readonly BufferContents[]>;
  free(): void;
}

/** Sizes of a block's buffers, from its layout. */
export function blockBuffers(
  layout: BlockLayout,
  format: BlockFormat,
  bits: readonly number[],
): StoredBuffer[] {
  return [
    {
      role: "codes",
      bytes: layout.words * 4,
      bits,
      codes: bits.map(() => layout.tokens * layout.headDim),
    },
    { role: parameterRole(format), bytes: blockParameterWords(format, layout.groups) * 4 },
  ];
}
