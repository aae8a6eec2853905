/**
 * The engine `webgpu`: onnxruntime-web on Deno's WebGPU. Keys and values stay in GPU buffers of one
 * device that the quantizers' kernels share; only ids, masks and logits cross to the host.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import { Kernels } from "../../quant/gpu/kernels.ts";
import { type Words, Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import pack from "../../quant/packing/pack.wgsl" with { type: "text" };
import { UserError } from "../../errors.ts";
import type { Engine, ForwardInput, ForwardOutput, LayerOutput, ModelShape } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { names } from "../onnx/decoder.ts";
import type { FloatName } from "../onnx/graph_builder.ts";
import { PREFILL_CHUNK } from "../prefill.ts";
import { type FoundAdapter, openDevice } from "./adapter.ts";
import { columnsOf, feedsOf, fetchesOf } from "./feeds.ts";
import { fingerprint } from "./fingerprint.ts";
import { decoderGraph } from "./graph.ts";
import kvLayout from "./kv_layout.wgsl" with { type: "text" };
import { createSession, type Runtime } from "./runtime.ts";
import { openTransfers } from "./transfers.ts";
import { readWasm } from "./wasm.ts";

/** Tokens of a prompt that go through the model at once at most, and bytes of their scores. */
const MOST_PREFILL_CHUNK = 1024;
const MOST_SCORE_BYTES = 2 ** 29;

/** How a model is opened on a GPU. */
export interface WebGpuOptions {
  readonly precision?: FloatName;
  readonly notice?: (sentence: string) => void;
}

/** An engine on a GPU, and its device. */
export interface GpuEngine extends Engine<GpuTensor> {
  /** The device's memory. */
  readonly backend: GpuBackend;
  /** The device that model and kernels share. */
  readonly gpu: GPUDevice;
  readonly gpuName: string;
}

/** Part of every cache key: raise it when the graph of a GPU computes anything differently. */
const GPU_GRAPH_VERSION = 2;

/**
 * Opens a model on a WebGPU adapter.
 *
 * @param precision of weights, activations and the past that the model sees
 * @param notice takes a sentence for stderr
 * @throws {UserError} where the device has no float16 and is asked for it
 */
export async function openWebGpuEngine(
  model: Model,
  found: FoundAdapter,
  { precision = "float32", notice }: WebGpuOptions = {},
): Promise<GpuEngine> {
  if (precision === "float16" && !found.adapter.features.has("shader-f16")) {
    throw new UserError(
      `${found.description} does not compute in float16; use --precision float32`,
    );
  }
  const runtime = await import("onnxruntime-web/webgpu");
  const { env } = runtime;
  env.wasm.numThreads = 1;
  const binary = import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm");
  env.wasm.wasmBinary ??= await readWasm(binary);
  const device = await openDevice(found.adapter);
  try {
    const transfers = await openTransfers(device);
    const graph = decoderGraph(model, "gpu", { precision });
    let saturated = 0;
    const session = await createSession(runtime, graph, model.tensors, {
      executionProviders: [{ name: "webgpu", device }],
      preferredOutputLocation: outputLocations(model.shape),
    }, (values) => saturated += values);
    if (saturated > 0) {
      notice?.(
        `${
          saturated.toLocaleString("en")
        } weights are beyond float16 and became its largest numbers`,
      );
    }
    const computes = ["webgpu", env.versions.common, found.description, GPU_GRAPH_VERSION];
    const id = await fingerprint(model, [...computes, precision].map(String));
    const name = `${found.description}, ${transfers} transfers`;
    return new WebGpuEngine(runtime, session, device, model.shape, id, name, precision);
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

/** Parameters of a kernel that looks at none of them but those that it is given. */
const NO_JOB = { heads: 0, tokens: 0, head_dim: 0, token_numbers: 0, first_number: 0 };

/** Of float16: 0, and -30,000, far below every score and far enough from the end to add one to it. */
const SEEN_HALF = 0;
const MASKED_HALF = 0xf753;

/** A mask in float16, two numbers to a word. */
function maskHalves(mask: Float32Array): Words {
  const halves = new Uint16Array(2 * Math.ceil(mask.length / 2));
  for (let i = 0; i < mask.length; i++) halves[i] = mask[i] === 0 ? SEEN_HALF : MASKED_HALF;
  return new Uint32Array(halves.buffer);
}

class WebGpuEngine implements GpuEngine {
  readonly device = "webgpu";
  readonly backend: GpuBackend;
  readonly #kernels: Kernels;

  constructor(
    private readonly runtime: Runtime,
    private readonly session: InferenceSession,
    readonly gpu: GPUDevice,
    readonly shape: ModelShape,
    readonly fingerprint: string,
    readonly gpuName: string,
    readonly precision: FloatName,
  ) {
    this.backend = new GpuBackend(gpu);
    this.#kernels = Kernels.of(gpu, "KV layout", [pack, kvLayout], {
      halves: precision === "float16",
    });
  }

  async forward(input: ForwardInput<GpuTensor>): Promise<ForwardOutput<GpuTensor>> {
    const { shape } = this;
    const outputs = input.outputs ?? "none";
    const lent: GPUBuffer[] = [];
    try {
      const feeds = this.#feeds(input, lent);
      const results = await this.session.run(feeds, fetchesOf(shape, outputs));
      return {
        logits: results.logits!.data as Float32Array<ArrayBuffer>,
        layers: outputs === "none" ? [] : this.#layers(results, outputs === "all"),
      };
    } finally {
      Workbench.of(this.gpu).free(...lent);
    }
  }

  /** Inputs of one run; `lent` takes the buffers that are made for it. */
  #feeds(input: ForwardInput<GpuTensor>, lent: GPUBuffer[]): Record<string, Tensor> {
    const { runtime, shape, precision } = this;
    const bench = Workbench.of(this.gpu);
    const entries = columnsOf(input);
    const { mask, maskLayers, ids } = input;
    const onGpu = (buffer: GPUBuffer, dims: readonly number[]) =>
      runtime.Tensor.fromGpuBuffer(buffer, { dataType: precision, dims });
    const made = (buffer: GPUBuffer) => {
      lent.push(buffer);
      return buffer;
    };
    return bench.batch(() => {
      const wrap = ({ buffer, heads, capacity, headDim }: GpuTensor) => {
        const numbers = heads * capacity * headDim;
        const held = precision === "float32" ? buffer : made(this.#inHalves(buffer, numbers));
        return onGpu(held, [1, heads, capacity, headDim]);
      };
      const feeds = feedsOf(runtime, shape, input, wrap);
      const sizes = (value: number) => new runtime.Tensor("int32", Int32Array.of(value), [1]);
      feeds[names.lastEntry] = sizes(entries - 1);
      feeds[names.entries] = sizes(entries);
      const rows = ids.length * entries;
      const masks = Array.from({ length: maskLayers }, (_, l) => {
        const own = mask.subarray(l * rows, (l + 1) * rows);
        const words = precision === "float32" ? own : maskHalves(own);
        return onGpu(made(bench.buffer("mask", words)), [1, 1, ids.length, entries]);
      });
      for (let l = 0; l < shape.layers; l++) feeds[names.layerMask(l)] = masks[l % maskLayers]!;
      return feeds;
    });
  }

  #inHalves(numbers: GPUBuffer, count: number): GPUBuffer {
    const packed = Workbench.of(this.gpu).buffer("halves", Math.ceil(count / 2));
    this.#kernels.run("to_halves", { threads: Math.ceil(count / 2) }, {
      job: { ...NO_JOB, count },
      numbers,
      packed,
    });
    return packed;
  }

  /** What the graph gives of each layer as KV tensors. */
  #layers(results: Readonly<Record<string, Tensor>>, all: boolean): LayerOutput<GpuTensor>[] {
    const { backend, shape: { layers, queryHeads, kvHeads, headDim } } = this;
    const headsFirst = (name: string, heads: number, skipped = 0): GpuTensor => {
      const result = results[name]!;
      const [, tokens, columns] = result.dims as [number, number, number];
      const tensor = backend.alloc({ heads, capacity: tokens, headDim });
      this.#kernels.run("heads_first", { threads: heads * tokens * headDim }, {
        job: {
          ...{ heads, tokens, head_dim: headDim, count: 0 },
          ...{ token_numbers: columns, first_number: skipped * headDim },
        },
        columns: result.gpuBuffer as GPUBuffer,
        tensor: tensor.buffer,
      });
      return tensor;
    };
    const outputs = backend.together(() =>
      Array.from({ length: layers }, (_, l) => ({
        key: headsFirst(names.key(l), kvHeads),
        value: headsFirst(names.value(l), kvHeads),
        ...(all
          ? {
            preRopeKey: headsFirst(names.preRopeKey(l), kvHeads, queryHeads),
            query: headsFirst(names.query(l), queryHeads),
          }
          : {}),
      }))
    );
    for (const [name, result] of Object.entries(results)) {
      if (name !== names.logits) result.dispose();
    }
    return outputs;
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
