/**
 * Numbers as the bytes that they are sent as.
 *
 * @module
 */

/** A view of the memory of an array. */
export function bytesOf(
  { buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
