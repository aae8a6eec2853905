/**
 * The part of onnxruntime that every engine uses: its packages share one interface.
 *
 * @module
 */
import type { Env, InferenceSession, TensorConstructor, TensorFactory } from "onnxruntime-common";
import type { BuiltGraph } from "../onnx/graph_builder.ts";

/** An onnxruntime package: onnxruntime-node, or one of onnxruntime-web's bundles. */
export interface Runtime {
  /** Makes inputs. */
  readonly Tensor: TensorConstructor & TensorFactory;
  /** Opens graphs. */
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: InferenceSession.SessionOptions,
    ): Promise<InferenceSession>;
  };
  /** Settings and versions of the package. */
  readonly env: Env;
}

/** Severity from which onnxruntime writes to stderr: errors; its warnings are not about the user's input. */
const ERRORS_ONLY = 3;

/** Opens a session on a graph. The weights' memory is free to go once this returns. */
export function createSession(
  runtime: Runtime,
  graph: BuiltGraph,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  runtime.env.logLevel = "error";
  return runtime.InferenceSession.create(graph.model, {
    externalData: graph.externalData,
    graphOptimizationLevel: "all",
    logSeverityLevel: ERRORS_ONLY,
    ...options,
  });
}
