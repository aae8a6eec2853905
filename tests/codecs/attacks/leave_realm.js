// Doors out of the realm that a block, its place or an error might be.
const closed = (door) => {
  try {
    return door() === undefined;
  } catch {
    return true;
  }
};
const doors = (given) => [
  () => globalThis.Deno,
  () => globalThis.process,
  () => globalThis.require,
  () => globalThis.Worker,
  () => globalThis.SharedArrayBuffer,
  () => globalThis.fetch,
  () => given.constructor.constructor("return Deno")(),
  () => given.data?.constructor.constructor("return Deno")(),
  () => given.data?.buffer.constructor.constructor("return process")(),
  () => new Error("x").constructor.prepareStackTrace,
];
export default {
  encode(_l, _k, block) {
    const open = doors(block).filter((door) => !closed(door));
    if (open.length > 0) throw new Error(`${open.length} doors are open: ${open.join(" ")}`);
    return new Uint8Array(Float32Array.from(block.data).buffer);
  },
  decode(_l, _k, bytes, place) {
    const open = doors(place).filter((door) => !closed(door));
    if (open.length > 0) throw new Error(`${open.length} doors are open: ${open.join(" ")}`);
    return new Float32Array(bytes.buffer);
  },
};
