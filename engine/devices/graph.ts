/**
 * The graph of a model.
 *
 * @module
 */
import type { Model } from "../checkpoint/model.ts";
import type { BuiltGraph } from "../onnx/graph_builder.ts";
import { buildDecoder, type DecoderOptions } from "../onnx/decoder.ts";

/** Builds the graph of a model. */
export function decoderGraph(
  { shape, config }: Model,
  target: DecoderOptions["target"] = "host",
): BuiltGraph {
  return buildDecoder(shape, { ...config, target });
}
