/**
 * The engine `cpu`: onnxruntime-node, loaded only when it is asked for (it is native code and needs
 * `--allow-ffi`).
 *
 * @module
 */
import type { CpuTensor } from "../../quant/tensor.ts";
import type { Engine } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { openHostEngine } from "./host_engine.ts";
import { importNativeRuntime } from "./native_library.ts";

/** More threads than this do not make a step of a few rows faster. */
const MAX_THREADS = 8;

/**
 * Opens a model on onnxruntime-node.
 *
 * @throws {UserError} where onnxruntime-node has no library for this machine
 */
export async function openCpuEngine(model: Model): Promise<Engine<CpuTensor>> {
  const runtime = await importNativeRuntime();
  return openHostEngine(model, "cpu", runtime, {
    executionProviders: ["cpu"],
    intraOpNumThreads: Math.min(navigator.hardwareConcurrency, MAX_THREADS),
  });
}
