/**
 * What identifies the numbers of an engine.
 *
 * @module
 */
import { sha256 } from "../digest.ts";
import type { Model } from "../checkpoint/model.ts";
import { GRAPH_VERSION } from "../onnx/decoder.ts";

/**
 * Hash of everything that decides an engine's numbers.
 *
 * @param runtime device, version of onnxruntime and what else tells two runtimes apart
 */
export function fingerprint(model: Model, runtime: readonly string[]): Promise<string> {
  return sha256(JSON.stringify([model.hash, GRAPH_VERSION, ...runtime]));
}
