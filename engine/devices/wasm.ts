/**
 * The engine `wasm`: onnxruntime-web's WebAssembly, without native code.
 *
 * @module
 */
import type { CpuTensor } from "../../quant/tensor.ts";
import type { Engine } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { fingerprint } from "./fingerprint.ts";
import { decoderGraph } from "./graph.ts";
import { HostEngine } from "./host_engine.ts";
import { createSession } from "./runtime.ts";

/** Opens a model on onnxruntime-web's wasm. */
export async function openWasmEngine(model: Model): Promise<Engine<CpuTensor>> {
  const runtime = await import("onnxruntime-web/wasm");
  const { env } = runtime;
  // Threads would need workers from blob URLs, which this runtime does not start.
  env.wasm.numThreads = 1;
  const binary = import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  env.wasm.wasmBinary ??= await readWasm(binary);
  const graph = decoderGraph(model);
  const options = { executionProviders: ["wasm"] };
  const session = await createSession(runtime, graph, model.tensors, options);
  const id = await fingerprint(model, ["wasm", env.versions.common]);
  return new HostEngine(runtime, session, "wasm", model.shape, id);
}

/**
 * A file of a package, read from disk (or from the compiled program), never from the network.
 *
 * @param url of the file. Who asks resolves it, in a statement of its own: only there does publishing
 *   put the package's version into the name.
 */
export async function readWasm(url: string): Promise<ArrayBuffer> {
  return (await Deno.readFile(new URL(url))).buffer;
}
