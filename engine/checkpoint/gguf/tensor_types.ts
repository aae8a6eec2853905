/**
 * The number formats of a GGUF file that are read (ggml-org/ggml, include/ggml.h, `ggml_type`).
 *
 * @module
 */
import { type FloatType, restoreFloats } from "../float_types.ts";
import type { RestoreBlocks } from "./blocks/restore.ts";
import {
  restoreIq4Nl,
  restoreQ4_0,
  restoreQ4_1,
  restoreQ5_0,
  restoreQ5_1,
  restoreQ8_0,
} from "./blocks/small_blocks.ts";
import {
  restoreIq4Xs,
  restoreQ2K,
  restoreQ3K,
  restoreQ4K,
  restoreQ5K,
  restoreQ6K,
} from "./blocks/super_blocks.ts";

/** One format. */
export interface TensorType {
  /** Number by which a file names it. */
  readonly id: number;
  /** Values of a block, which lie in one row. */
  readonly values: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Restores blocks. */
  readonly restore: RestoreBlocks;
}

/** Formats by name. */
export const tensorTypes = {
  F32: { id: 0, values: 1, bytes: 4, restore: plain("F32") },
  F16: { id: 1, values: 1, bytes: 2, restore: plain("F16") },
  BF16: { id: 30, values: 1, bytes: 2, restore: plain("BF16") },
  Q4_0: { id: 2, values: 32, bytes: 18, restore: restoreQ4_0 },
  Q4_1: { id: 3, values: 32, bytes: 20, restore: restoreQ4_1 },
  Q5_0: { id: 6, values: 32, bytes: 22, restore: restoreQ5_0 },
  Q5_1: { id: 7, values: 32, bytes: 24, restore: restoreQ5_1 },
  Q8_0: { id: 8, values: 32, bytes: 34, restore: restoreQ8_0 },
  Q2_K: { id: 10, values: 256, bytes: 84, restore: restoreQ2K },
  Q3_K: { id: 11, values: 256, bytes: 110, restore: restoreQ3K },
  Q4_K: { id: 12, values: 256, bytes: 144, restore: restoreQ4K },
  Q5_K: { id: 13, values: 256, bytes: 176, restore: restoreQ5K },
  Q6_K: { id: 14, values: 256, bytes: 210, restore: restoreQ6K },
  IQ4_NL: { id: 20, values: 32, bytes: 18, restore: restoreIq4Nl },
  IQ4_XS: { id: 23, values: 256, bytes: 136, restore: restoreIq4Xs },
} as const satisfies Record<string, TensorType>;

/** Name of a format. */
export type TensorTypeName = keyof typeof tensorTypes;

/** Names of the formats that are not read, by number, for errors. */
export const unreadTypes: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

/**
 * The format that a file names by a number, or undefined when it is not read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensorTypeName } from "./tensor_types.ts";
 *
 * assertEquals(tensorTypeName(12), "Q4_K");
 * assertEquals(tensorTypeName(16), undefined);
 * ```
 */
export function tensorTypeName(id: number): TensorTypeName | undefined {
  return (Object.keys(tensorTypes) as TensorTypeName[]).find((name) => tensorTypes[name].id === id);
}

function plain(type: FloatType): RestoreBlocks {
  return (bytes, out) => restoreFloats(bytes, type, out);
}
