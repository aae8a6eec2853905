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

/** A module's memory as numbers of several sizes. */
export interface MemoryViews {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly floats: Float32Array<ArrayBuffer>;
  readonly doubles: Float64Array<ArrayBuffer>;
}

const viewsOf = new WeakMap<WebAssembly.Memory, MemoryViews>();

/** Gives a module's memory so many bytes at least, and views of it, good until it grows again. */
export function memoryViews(memory: WebAssembly.Memory, bytes: number): MemoryViews {
  growTo(memory, bytes);
  const buffer = memory.buffer as ArrayBuffer;
  const known = viewsOf.get(memory);
  if (known?.bytes.buffer === buffer) return known;
  const views: MemoryViews = {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    floats: new Float32Array(buffer),
    doubles: new Float64Array(buffer),
  };
  viewsOf.set(memory, views);
  return views;
}
