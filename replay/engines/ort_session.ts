/**
 * What the onnxruntime engines share: feeds and names of the graph.
 *
 * @module
 */
import type { Tensor } from "onnxruntime-common";
import type { KvShape } from "../../quant/tensor.ts";
import type { ForwardInput } from "../engine.ts";

/** The parts of an onnxruntime package that an engine uses. */
export interface OrtTensorFactory {
  readonly Tensor: {
    new (type: "float32", data: Float32Array, dims: readonly number[]): Tensor;
    new (type: "int64", data: BigInt64Array, dims: readonly number[]): Tensor;
  };
}

/** Feeds of one run, given a way to wrap a KV tensor. */
export function feedsOf<T extends KvShape>(
  ort: OrtTensorFactory,
  input: ForwardInput<T>,
  wrap: (tensor: T) => Tensor,
): Record<string, Tensor> {
  const fed = input.ids.length;
  const columns = input.past[0]!.key.capacity + fed;
  const int64 = (values: readonly number[], dims: number[]) =>
    new ort.Tensor("int64", new BigInt64Array(values.map(BigInt)), dims);
  const feeds: Record<string, Tensor> = {
    input_ids: int64(input.ids, [1, fed]),
    position_ids: int64(input.positions, [1, fed]),
    num_logits_to_keep: int64([input.logits], []),
    attention_mask: new ort.Tensor("float32", input.mask, [input.maskLayers, 1, fed, columns]),
  };
  for (const [l, { key, value }] of input.past.entries()) {
    feeds[`past_key_values.${l}.key`] = wrap(key);
    feeds[`past_key_values.${l}.value`] = wrap(value);
  }
  return feeds;
}

/** Names of the outputs that a run fetches. */
export function fetchesOf(layers: number, outputs: "none" | "kv" | "all"): string[] {
  const names = ["logits"];
  for (let l = 0; l < layers; l++) {
    if (outputs !== "none") names.push(`present.${l}.key`, `present.${l}.value`);
    if (outputs === "all") names.push(`present.${l}.key_pre_rope`, `query.${l}`);
  }
  return names;
}
