/**
 * The graph of a model.
 *
 * @module
 */
import type { Model } from "../checkpoint/model.ts";
import type { BuiltGraph } from "../onnx/graph_builder.ts";
import { buildDecoder } from "../onnx/decoder.ts";

/** Builds the graph of a model; `mapped` where its weights come from a file. */
export function decoderGraph({ shape, config }: Model, mapped = false): BuiltGraph {
  return buildDecoder(shape, { ...config, mapped });
}
