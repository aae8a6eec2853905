/**
 * Plain data as bytes, its numbers as they are: arrays of numbers and typed arrays lie one behind the
 * other in float64 or in their own type, what is left is JSON that says where each one is. As long as
 * what it holds, and every number comes back to the last bit.
 *
 * @module
 */
import { UserError } from "../errors.ts";

/** Arrays that are kept in a type of their own. */
const TYPES = {
  f16: Float16Array,
  f32: Float32Array,
  i32: Int32Array,
  // Plain arrays of numbers.
  f64: Float64Array,
} as const;

type TypeName = keyof typeof TYPES;
type Numbers =
  | Float16Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/** Starts the name of what stands for an array; a name of the data's own that does is given one more. */
const MARK = "$";
/** Plain arrays shorter than this stay in the JSON. */
const LEAST_LENGTH = 4;
/** Length of the JSON, in front of it. */
const LEAD = 4;

/** Bytes that cannot be what `pack` gave. */
export class PackedValueError extends UserError {
  override name = "PackedValueError";
}

/**
 * Packs data that JSON can hold, typed arrays aside.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pack, unpack } from "./packed_value.ts";
 *
 * const value = { name: "means", rows: [[0.1, 0.2, 0.3, -0], [1]], wide: Float32Array.of(1e-40) };
 * assertEquals(unpack(pack(value)), value);
 * ```
 */
export function pack(value: unknown): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let at = 0;
  const kept = (type: TypeName, array: Numbers) => {
    const place = { [MARK + type]: [at, array.length] };
    parts.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    at += array.byteLength;
    return place;
  };
  const outline = (part: unknown): unknown => {
    if (Object(part) !== part) return part;
    for (const type of ["f16", "f32", "i32"] as const) {
      if (part instanceof TYPES[type]) return kept(type, part as Numbers);
    }
    if (Array.isArray(part)) {
      const areNumbers = part.length >= LEAST_LENGTH &&
        part.every((x) => typeof x === "number" && Number.isFinite(x));
      return areNumbers ? kept("f64", Float64Array.from(part as number[])) : part.map(outline);
    }
    return Object.fromEntries(
      Object.entries(part as object).map(([name, own]) => [
        name.startsWith(MARK) ? MARK + name : name,
        outline(own),
      ]),
    );
  };
  const text = new TextEncoder().encode(JSON.stringify(outline(value)));
  const bytes = new Uint8Array(LEAD + text.length + at);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, LEAD);
  let to = LEAD + text.length;
  for (const part of parts) {
    bytes.set(part, to);
    to += part.length;
  }
  return bytes;
}

/**
 * The data of packed bytes.
 *
 * @throws {PackedValueError} for bytes that are not what `pack` gave
 */
export function unpack(bytes: Uint8Array<ArrayBuffer>): unknown {
  const wrong = (what: string) =>
    new PackedValueError(`Packed data of ${bytes.length} bytes is damaged: ${what}`);
  if (bytes.length < LEAD) throw wrong("it is cut short");
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (LEAD + length > bytes.length) throw wrong(`its outline takes ${length} bytes`);
  let outline: unknown;
  try {
    outline = JSON.parse(new TextDecoder().decode(bytes.subarray(LEAD, LEAD + length)));
  } catch {
    throw wrong("its outline is not JSON");
  }
  const numbers = bytes.subarray(LEAD + length);
  const array = (type: TypeName, place: unknown): Numbers => {
    const [at, count] = Array.isArray(place) ? place : [];
    const end = at + count * TYPES[type].BYTES_PER_ELEMENT;
    if (!(Number.isSafeInteger(at) && at >= 0 && Number.isSafeInteger(count) && count >= 0)) {
      throw wrong(`an array lies at ${JSON.stringify(place)}`);
    }
    if (end > numbers.length) throw wrong(`an array ends at byte ${end} of ${numbers.length}`);
    // A copy, since it need not be aligned here.
    return new TYPES[type](numbers.slice(at, end).buffer);
  };
  const filled = (part: unknown): unknown => {
    if (Object(part) !== part) return part;
    if (Array.isArray(part)) return part.map(filled);
    const entries = Object.entries(part as object);
    const [name, place] = entries[0] ?? [];
    const type = name?.slice(MARK.length) as TypeName;
    if (name?.startsWith(MARK) && Object.hasOwn(TYPES, type)) {
      const own = array(type, place);
      return type === "f64" ? Array.from(own) : own;
    }
    return Object.fromEntries(
      entries.map(([name, own]) => [
        name.startsWith(MARK + MARK) ? name.slice(MARK.length) : name,
        filled(own),
      ]),
    );
  };
  return filled(outline);
}
