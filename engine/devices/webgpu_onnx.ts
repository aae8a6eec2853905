/**
 * The engine `webgpu-onnx`: onnxruntime-web's WebGPU provider on Deno's WebGPU, a second opinion on
 * the kernels of ours. Keys and values stay in GPU buffers of one device that the quantizers' kernels
 * share.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import type { ForwardInput, ForwardOutput, ModelShape } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { names } from "../onnx/decoder.ts";
import { type FoundAdapter, openDevice } from "./adapter.ts";
import { checkSizes, columnsOf, feedsOf, fetchesOf, kvShapeOf, layersOf } from "./feeds.ts";
import { fingerprint } from "./fingerprint.ts";
import { LogitComparison } from "./gpu/logit_comparison.ts";
import { decoderGraph } from "./graph.ts";
import { createSession, type Runtime } from "./runtime.ts";
import { openTransfers, uploadThroughQueue } from "./transfers.ts";
import { readWasm } from "./wasm.ts";
import type { GpuEngine } from "./webgpu.ts";

/** Opens a model on a WebGPU adapter, in float32. */
export async function openWebGpuOnnxEngine(model: Model, found: FoundAdapter): Promise<GpuEngine> {
  const runtime = await import("onnxruntime-web/webgpu");
  const { env } = runtime;
  // As on `wasm`.
  env.wasm.numThreads = 1;
  const binary = import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm");
  env.wasm.wasmBinary ??= await readWasm(binary);
  const device = await openDevice(found.adapter);
  try {
    const transfers = await openTransfers(device);
    uploadThroughQueue(device);
    const locations = fetchesOf(model.shape, "all").map((name) => [name, "gpu-buffer"] as const);
    const session = await createSession(runtime, decoderGraph(model, "gpu"), model.tensors, {
      executionProviders: [{ name: "webgpu", device }],
      preferredOutputLocation: Object.fromEntries(locations),
    });
    const id = await fingerprint(model, ["webgpu-onnx", env.versions.common, found.description]);
    const name = `${found.description}, ${transfers} transfers`;
    return new WebGpuOnnxEngine(runtime, session, device, model.shape, id, name);
  } catch (error) {
    device.destroy();
    throw error;
  }
}

class WebGpuOnnxEngine implements GpuEngine {
  readonly device = "webgpu-onnx";
  readonly backend: GpuBackend;
  readonly #comparison: LogitComparison;

  constructor(
    private readonly runtime: Runtime,
    private readonly session: InferenceSession,
    readonly gpu: GPUDevice,
    readonly shape: ModelShape,
    readonly fingerprint: string,
    readonly gpuName: string,
  ) {
    this.backend = new GpuBackend(gpu);
    this.#comparison = new LogitComparison(gpu, shape.vocab);
  }

  async forward(input: ForwardInput<GpuTensor>): Promise<ForwardOutput<GpuTensor>> {
    const { runtime, shape, backend } = this;
    checkSizes(shape, input);
    const { mask, maskLayers, ids, outputs = "none" } = input;
    const onGpu = (buffer: GPUBuffer, dims: readonly number[]) =>
      runtime.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims });
    const wrap = ({ buffer, heads, capacity, headDim }: GpuTensor) =>
      onGpu(buffer, [1, heads, capacity, headDim]);
    const masks = backend.upload(mask, { heads: 1, capacity: 1, headDim: mask.length });
    try {
      const feeds = {
        ...feedsOf(runtime, input, wrap),
        [names.mask]: onGpu(masks.buffer, [maskLayers, 1, ids.length, columnsOf(input)]),
      };
      const results = await this.session.run(feeds, fetchesOf(shape, outputs));
      try {
        const buffer = results.logits!.gpuBuffer as GPUBuffer;
        const answer = await this.#comparison.answer(input, { buffer, stride: shape.vocab });
        const kept = (tensor: Tensor) => this.#kept(tensor);
        const layers = backend.together(() => layersOf(shape, outputs, results, kept));
        return { ...answer, layers };
      } finally {
        for (const tensor of Object.values(results)) tensor.dispose();
      }
    } finally {
      backend.free(masks);
    }
  }

  /** A copy of what a run gave: its own buffers go back to the runtime. */
  #kept(tensor: Tensor): GpuTensor {
    const shape = kvShapeOf(tensor);
    const copy = this.backend.alloc(shape);
    const given = { ...shape, buffer: tensor.gpuBuffer as GPUBuffer };
    this.backend.copy(given, 0, shape.capacity, copy, 0);
    return copy;
  }

  async close(): Promise<void> {
    await this.session.release();
    this.#comparison.close();
    this.backend.close();
    Workbench.of(this.gpu).close();
    this.gpu.destroy();
  }
}
