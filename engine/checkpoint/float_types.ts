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

/** Bytes of one value. */
export const floatBytes: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };

/**
 * Little-endian values of a format as float32.
 *
 * @param bytes values back to back, starting at a multiple of 4 of their buffer
 * @param out takes as many values as there are bytes for
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { restoreFloats } from "./float_types.ts";
 *
 * const out = new Float32Array(1);
 * restoreFloats(new Uint8Array([0x00, 0x3e]), "F16", out);
 * assertEquals([...out], [1.5]);
 * restoreFloats(new Uint8Array([0xc0, 0x3f]), "BF16", out);
 * assertEquals([...out], [1.5]);
 * ```
 */
export function restoreFloats(
  { buffer, byteOffset, byteLength }: Uint8Array,
  type: FloatType,
  out: Float32Array,
): void {
  if (type === "F32") {
    out.set(new Float32Array(buffer, byteOffset, byteLength / 4));
    return;
  }
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  if (type === "BF16") {
    for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < words.length; i++) words[i] = table[halves[i]!]!;
  }
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
