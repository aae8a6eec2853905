/**
 * What every block format of a GGUF file has in common.
 *
 * All restore to float32 as ggml and its Python package do, bit for bit. Both multiply a half scale
 * by small integers, which float32 holds exactly, and round once at the end; JavaScript's double
 * arithmetic holds the same products exactly and rounds once, where the value is stored.
 *
 * @module
 */

/**
 * Restores blocks that lie behind each other.
 *
 * @param bytes the blocks, from its first byte on
 * @param out takes as many values as the blocks hold, from its start on
 */
export type RestoreBlocks = (bytes: Uint8Array, out: Float32Array) => void;

/** Little-endian access to the numbers in `bytes`. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
