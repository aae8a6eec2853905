/**
 * The engine `webgpu`: onnxruntime-web on Deno's WebGPU. Keys and values stay in GPU buffers of one
 * device that the quantizers' kernels share; only ids, masks and logits cross to the host.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import type { Engine, ForwardInput, ForwardOutput, ModelShape } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { names } from "../onnx/decoder.ts";
import { PREFILL_CHUNK } from "../prefill.ts";
import { type FoundAdapter, openDevice } from "./adapter.ts";
import { feedsOf, fetchesOf, kvShapeOf, layersOf } from "./feeds.ts";
import { fingerprint } from "./fingerprint.ts";
import { decoderGraph } from "./graph.ts";
import { createSession, type Runtime } from "./runtime.ts";
import { openTransfers } from "./transfers.ts";
import { readWasm } from "./wasm.ts";

/** Tokens of a prompt that go through the model at once at most, and bytes of their scores. */
const MOST_PREFILL_CHUNK = 1024;
const MOST_SCORE_BYTES = 2 ** 29;

/** An engine on a GPU, and its device. */
export interface GpuEngine extends Engine<GpuTensor> {
  /** The device's memory. */
  readonly backend: GpuBackend;
  /** The device that model and kernels share. */
  readonly gpu: GPUDevice;
  readonly gpuName: string;
}

/** Opens a model on a WebGPU adapter. */
export async function openWebGpuEngine(model: Model, found: FoundAdapter): Promise<GpuEngine> {
  const runtime = await import("onnxruntime-web/webgpu");
  const { env } = runtime;
  env.wasm.numThreads = 1;
  const binary = import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm");
  env.wasm.wasmBinary ??= await readWasm(binary);
  const device = await openDevice(found.adapter);
  try {
    const transfers = await openTransfers(device);
    const graph = decoderGraph(model, "gpu");
    const session = await createSession(runtime, graph, model.tensors, {
      executionProviders: [{ name: "webgpu", device }],
      preferredOutputLocation: outputLocations(model.shape),
    });
    const id = await fingerprint(model, ["webgpu", env.versions.common, found.description]);
    return new WebGpuEngine(
      runtime,
      session,
      device,
      model.shape,
      id,
      `${found.description}, ${transfers} transfers`,
    );
  } catch (error) {
    device.destroy();
    throw error;
  }
}

function outputLocations(shape: ModelShape): Record<string, Tensor.DataLocation> {
  const onGpu = fetchesOf(shape, "all").filter((name) => name !== names.logits);
  return {
    [names.logits]: "cpu",
    ...Object.fromEntries(onGpu.map((name) => [name, "gpu-buffer"])),
  };
}

class WebGpuEngine implements GpuEngine {
  readonly device = "webgpu";
  readonly backend: GpuBackend;

  constructor(
    private readonly runtime: Runtime,
    private readonly session: InferenceSession,
    readonly gpu: GPUDevice,
    readonly shape: ModelShape,
    readonly fingerprint: string,
    readonly gpuName: string,
  ) {
    this.backend = new GpuBackend(gpu);
  }

  async forward(input: ForwardInput<GpuTensor>): Promise<ForwardOutput<GpuTensor>> {
    const { runtime, shape, backend } = this;
    const outputs = input.outputs ?? "none";
    const wrap = ({ buffer, heads, capacity, headDim }: GpuTensor) =>
      runtime.Tensor.fromGpuBuffer(buffer, {
        dataType: "float32",
        dims: [1, heads, capacity, headDim],
      });
    const feeds = feedsOf(runtime, shape, input, wrap);
    const results = await this.session.run(feeds, fetchesOf(shape, outputs));
    const unwrap = (tensor: Tensor) =>
      backend.adopt(tensor.gpuBuffer as GPUBuffer, kvShapeOf(tensor), () => tensor.dispose());
    return {
      logits: results.logits!.data as Float32Array<ArrayBuffer>,
      layers: layersOf(shape, outputs, results, unwrap),
    };
  }

  /** As many as the scores of a layer leave room for: a launch costs the same for few and for many. */
  prefillChunk(tokens: number): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.limits;
    const most = Math.min(maxStorageBufferBindingSize, maxBufferSize, MOST_SCORE_BYTES);
    const row = Float32Array.BYTES_PER_ELEMENT * this.shape.queryHeads;
    let chunk = MOST_PREFILL_CHUNK;
    while (chunk > PREFILL_CHUNK && chunk * (tokens + chunk) * row > most) chunk /= 2;
    return chunk;
  }

  async close(): Promise<void> {
    await this.session.release();
    this.backend.close();
    Workbench.of(this.gpu).close();
    this.gpu.destroy();
  }
}
