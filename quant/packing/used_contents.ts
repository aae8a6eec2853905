/**
 * The part of a store's buffers that is in use.
 *
 * @module
 */
import type { BufferContents, StoredBuffer } from "../family.ts";

/** Cuts every buffer to the bytes that `declared` says are in use; others are left out. */
export function usedContents(
  declared: readonly StoredBuffer[],
  words: Readonly<Record<string, Uint32Array<ArrayBuffer>>>,
): BufferContents[] {
  return declared.map(({ role, bytes }) => ({
    role,
    words: words[role]!.slice(0, Math.ceil(bytes / 4)),
  }));
}
