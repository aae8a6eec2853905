/**
 * The engine `cpu`: onnxruntime-node, loaded only when it is asked for (it is native code and needs
 * `--allow-ffi`).
 *
 * @module
 */
import type { InferenceSession } from "onnxruntime-common";
import { dirname } from "node:path";
import { StorePool } from "../../quant/pool/store_pool.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { sha256 } from "../digest.ts";
import type { Engine } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { GRAPH_VERSION } from "../onnx/decoder.ts";
import { fingerprint } from "./fingerprint.ts";
import { decoderGraph } from "./graph.ts";
import { HostEngine } from "./host_engine.ts";
import { importNativeRuntime } from "./native_library.ts";
import { createSession, openSession, type Runtime } from "./runtime.ts";
import { temporaryWeights } from "./temporary_weights.ts";
import { type WeightsFile, WeightsLayout, type WeightsPlace } from "./weights_file.ts";

/** More threads than this do not make a step of a few rows faster. */
const MAX_THREADS = 8;

/** Weights of fewer bytes than this go through buffers: three times as much is still little. */
export const LEAST_MAPPED = 64 * 2 ** 20;

/**
 * Opens a model on onnxruntime-node. Large weights are put into a file first, which is mapped.
 *
 * @param place keeps such files; absent for a temporary one
 * @param small bytes of weights below which no file is made
 * @param threads that compute; numbers do not depend on how many
 * @throws {UserError} where onnxruntime-node has no library for this machine
 */
export async function openCpuEngine(
  model: Model,
  place?: WeightsPlace,
  small: number = LEAST_MAPPED,
  threads: number = Math.min(navigator.hardwareConcurrency, MAX_THREADS),
): Promise<Engine<CpuTensor>> {
  const runtime = await importNativeRuntime();
  const options: InferenceSession.SessionOptions = {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    // A thread that waits for work by spinning takes a core from stores and from guests' processes:
    // on two cores, half of an example's processor time went there.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  };
  const id = await fingerprint(model, ["cpu", runtime.env.versions.common]);
  const layout = new WeightsLayout(decoderGraph(model, "host, mapped"));
  if (layout.bytes >= small) {
    const key = await sha256(JSON.stringify(["weights", model.hash, GRAPH_VERSION]));
    for (const kept of place === undefined ? [temporaryWeights] : [place, temporaryWeights]) {
      const file = await kept.file(key, layout.bytes, () => layout.blocks(model.tensors));
      if (file === undefined) continue;
      const session = await sessionOn(runtime, layout, file, options);
      if (session === undefined) continue;
      // A mapped file may go while it is used, except on Windows.
      const inUse = Deno.build.os === "windows";
      const done = async () => await file[Symbol.asyncDispose]();
      if (!inUse) await done();
      const last = inUse ? done : undefined;
      return new HostEngine(runtime, session, "cpu", model.shape, id, poolOf(threads), last);
    }
  }
  const session = await createSession(runtime, decoderGraph(model), model.tensors, options);
  return new HostEngine(runtime, session, "cpu", model.shape, id, poolOf(threads));
}

/** Threads for quantizing, as many as the model has, the one that replays among them. */
function poolOf(threads: number): StorePool | undefined {
  return threads > 1 ? new StorePool(threads - 1) : undefined;
}

/** A session on a file; undefined when somebody has removed the file in the meantime. */
async function sessionOn(
  runtime: Runtime,
  layout: WeightsLayout,
  file: WeightsFile,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession | undefined> {
  try {
    return await openSession(runtime, layout.encode(file), {
      ...options,
      extra: { session: { model_external_initializers_file_folder_path: dirname(file.path) } },
    });
  } catch (error) {
    const isThere = await Deno.stat(file.path).then(() => true, () => false);
    await file[Symbol.asyncDispose]();
    if (isThere) throw error;
    return undefined;
  }
}
