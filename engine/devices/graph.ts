/**
 * The graph of a model.
 *
 * @module
 */
import type { Model } from "../checkpoint/model.ts";
import type { BuiltGraph } from "../onnx/graph_builder.ts";
import { buildDecoder, type DecoderOptions } from "../onnx/decoder.ts";

/** Builds the graph of a model; `mapped` where its weights come from a file. */
export function decoderGraph(
  model: Model,
  target: DecoderOptions["target"],
  { mapped = false, precision = "float32" }: Partial<
    Pick<DecoderOptions, "mapped" | "precision">
  > = {},
): BuiltGraph {
  return buildDecoder(model.shape, { ...model.config, target, mapped, precision });
}
