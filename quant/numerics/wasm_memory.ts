/**
 * @module
 */

/** Bytes that WebAssembly's memory grows by. */
const PAGE = 65536;

/** Gives a module's memory so many bytes at least; views of it are to be made after that. */
export function growTo(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
}
