/**
 * The number formats of model weights, and their conversion to float32, which is exact.
 *
 * @module
 */

/** Names of the formats, as safetensors spells them. */
export const floatTypes = ["F32", "F16", "BF16"] as const;

/** A format of model weights. */
export type FloatType = typeof floatTypes[number];

/** Whether `value` names a format. */
export function isFloatType(value: unknown): value is FloatType {
  return (floatTypes as readonly unknown[]).includes(value);
}

/**
 * Little-endian values of a format as float32. For `F32` the result shares the bytes' memory.
 *
 * @param bytes values back to back, starting at a multiple of 4 of their buffer
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toFloat32 } from "./float_types.ts";
 *
 * assertEquals([...toFloat32(new Uint8Array([0x00, 0x3e]), "F16")], [1.5]);
 * assertEquals([...toFloat32(new Uint8Array([0xc0, 0x3f]), "BF16")], [1.5]);
 * ```
 */
export function toFloat32(
  bytes: Uint8Array<ArrayBuffer>,
  type: FloatType,
): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  if (type === "F32") return new Float32Array(buffer, byteOffset, byteLength / 4);
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  const words = new Uint32Array(halves.length);
  if (type === "BF16") {
    for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < words.length; i++) words[i] = table[halves[i]!]!;
  }
  return new Float32Array(words.buffer);
}

let table: Uint32Array | undefined;

/** Float32 bits of each of the 65,536 float16 values: looking up is ten times faster than converting. */
function halfTable(): Uint32Array {
  if (table === undefined) {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    table = new Uint32Array(new Float32Array(new Float16Array(bits.buffer)).buffer);
  }
  return table;
}
