/** GGUF files that a test writes. */
import {
  type TensorTypeName,
  tensorTypes,
} from "../../../../engine/checkpoint/gguf/tensor_types.ts";

/** A metadata value: a number is stored as uint32, a list of numbers as int32, or as `type` says. */
export type TestValue =
  | string
  | boolean
  | number
  | readonly string[]
  | readonly number[]
  | { readonly type: number; readonly bytes: Uint8Array };

/** A tensor; `type` may be any number, `at` any offset. */
export interface TestTensor {
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly type?: TensorTypeName | number;
  readonly data?: Uint8Array;
  readonly at?: number;
}

/** What a file is made of. */
export interface TestFile {
  readonly version?: number;
  readonly metadata?: Readonly<Record<string, TestValue>>;
  readonly tensors?: readonly TestTensor[];
}

const ALIGNMENT = 32;

/** The bytes of a file. */
export function ggufBytes(
  { version = 3, metadata = {}, tensors = [] }: TestFile,
): Uint8Array<ArrayBuffer> {
  const head: Uint8Array[] = [
    new TextEncoder().encode("GGUF"),
    uint32(version),
    uint64(tensors.length),
    uint64(Object.keys(metadata).length),
  ];
  for (const [key, value] of Object.entries(metadata)) head.push(text(key), ...typed(value));
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type = "F32", at = offset } = tensor;
    const id = typeof type === "number" ? type : tensorTypes[type].id;
    head.push(text(name), uint32(shape.length), ...shape.toReversed().map(uint64));
    head.push(uint32(id), uint64(at));
    const block = typeof type === "number" ? { values: 1, bytes: 4 } : tensorTypes[type];
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = tensor.data ?? new Uint8Array(count / block.values * block.bytes);
    data.push(bytes, padding(bytes.length));
    offset += bytes.length + padding(bytes.length).length;
  }
  const length = head.reduce((sum, part) => sum + part.length, 0);
  return joined([...head, ...(tensors.length > 0 ? [padding(length)] : []), ...data]);
}

/** A text as a file has it. */
export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return joined([uint64(bytes.length), bytes]);
}

/** Four bytes. */
export function uint32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** Eight bytes. */
export function uint64(value: number | bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
}

/** Arrays behind each other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function typed(value: TestValue): Uint8Array[] {
  if (typeof value === "string") return [uint32(8), text(value)];
  if (typeof value === "boolean") return [uint32(7), new Uint8Array([Number(value)])];
  if (typeof value === "number") return scalar(value);
  if ("bytes" in value) return [uint32(value.type), value.bytes];
  if (value.every((one) => typeof one === "string")) {
    return [uint32(9), uint32(8), uint64(value.length), ...value.map(text)];
  }
  const numbers = value as readonly number[];
  const list = numbers.every(Number.isInteger)
    ? new Int32Array(numbers)
    : new Float32Array(numbers);
  const type = list instanceof Int32Array ? 5 : 6;
  return [uint32(9), uint32(type), uint64(list.length), new Uint8Array(list.buffer)];
}

function scalar(value: number): Uint8Array[] {
  return Number.isInteger(value)
    ? [uint32(4), uint32(value)]
    : [uint32(6), new Uint8Array(new Float32Array([value]).buffer)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - length % ALIGNMENT) % ALIGNMENT);
}
