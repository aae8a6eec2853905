/**
 * The graph of a loaded model.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import type { Model } from "../checkpoint/model.ts";
import type { BuiltGraph } from "../onnx/graph_builder.ts";
import { buildQwen2, type Qwen2Options } from "../onnx/qwen2.ts";

/** Builds the graph of a model. */
export function decoderGraph(
  model: Model,
  target: Qwen2Options["target"],
): BuiltGraph {
  return buildQwen2(model.shape, { ...model.config, target }, (name) => {
    const weight = model.weights.get(name);
    if (weight === undefined) throw new InternalError(`The model has no tensor "${name}"`);
    return weight.data;
  });
}
