/**
 * How large a model is.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import type { StoredTensor } from "./checkpoint.ts";
import { valueCount } from "./stored_blocks.ts";

/** What its tensors say about a model before they are read. */
export interface ModelSize {
  /** Numbers in all of its tensors. */
  readonly parameters: number;
  /** How many of them are embedding and output head at once. */
  readonly tied: number;
  /** The formats that they are stored in, the one with the most numbers first. */
  readonly formats: readonly string[];
}

/** Adds up the tensors of a model. */
export function modelSize(
  tensors: ReadonlyMap<string, Pick<StoredTensor, "dtype" | "shape">>,
  { tiedEmbeddings, shape: { vocab, hidden } }: ModelConfig,
): ModelSize {
  const perFormat = new Map<string, number>();
  for (const tensor of tensors.values()) {
    const count = valueCount(tensor);
    perFormat.set(tensor.dtype, (perFormat.get(tensor.dtype) ?? 0) + count);
  }
  return {
    parameters: [...perFormat.values()].reduce((sum, count) => sum + count, 0),
    tied: tiedEmbeddings ? vocab * hidden : 0,
    formats: [...perFormat].sort(([, a], [, b]) => b - a).map(([name]) => name),
  };
}
