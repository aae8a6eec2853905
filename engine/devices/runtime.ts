/**
 * The part of onnxruntime that every engine uses: its packages share one interface.
 *
 * @module
 */
import type { Env, InferenceSession, TensorConstructor, TensorFactory } from "onnxruntime-common";
import type { BuiltGraph } from "../onnx/graph_builder.ts";
import { type Tensors, weightBuffer } from "./weight_values.ts";

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

/**
 * Opens a session on a graph, its weights in buffers: one "file" per weight, so that no block holds
 * them all. Their memory is free to go once this returns.
 */
export async function createSession(
  runtime: Runtime,
  graph: BuiltGraph,
  tensors: Tensors,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  const model = graph.encode(({ name }) => ({ location: name }));
  const externalData: { path: string; data: Uint8Array<ArrayBuffer> }[] = [];
  for (const weight of graph.weights) {
    externalData.push({ path: weight.name, data: await weightBuffer(weight, tensors) });
  }
  return await openSession(runtime, model, { externalData, ...options });
}

/** Opens a session on a graph in ONNX's format. */
export function openSession(
  runtime: Runtime,
  model: Uint8Array<ArrayBuffer>,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  runtime.env.logLevel = "error";
  return runtime.InferenceSession.create(model, {
    graphOptimizationLevel: "all",
    logSeverityLevel: ERRORS_ONLY,
    ...options,
  });
}
