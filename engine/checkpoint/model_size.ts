/**
 * How large a model is.
 *
 * @module
 */
import type { StoredTensor } from "./checkpoint.ts";
import { valueCount } from "./stored_blocks.ts";

/** What its tensors say about a model before they are read. */
export interface ModelSize {
  /** Numbers in all of its tensors. */
  readonly parameters: number;
  /** Numbers in its largest tensor. */
  readonly largest: number;
  /** The formats that they are stored in, the one with the most numbers first. */
  readonly formats: readonly string[];
}

/** Adds up tensors. */
export function modelSize(
  tensors: ReadonlyMap<string, Pick<StoredTensor, "dtype" | "shape">>,
): ModelSize {
  const perFormat = new Map<string, number>();
  let largest = 0;
  for (const tensor of tensors.values()) {
    const count = valueCount(tensor);
    largest = Math.max(largest, count);
    perFormat.set(tensor.dtype, (perFormat.get(tensor.dtype) ?? 0) + count);
  }
  return {
    parameters: [...perFormat.values()].reduce((sum, count) => sum + count, 0),
    largest,
    formats: [...perFormat].sort(([, a], [, b]) => b - a).map(([name]) => name),
  };
}
