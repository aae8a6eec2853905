/**
 * The engine `webgpu`: onnxruntime-web on Deno's WebGPU. Keys and values stay in GPU buffers of one
 * device that the quantizers' kernels share; only ids, masks and logits cross to the host.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import { Kernels } from "../../quant/gpu/kernels.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import pack from "../../quant/packing/pack.wgsl" with { type: "text" };
import { UserError } from "../../errors.ts";
import type { Engine, ForwardInput, ForwardOutput, LayerOutput, ModelShape } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { names } from "../onnx/decoder.ts";
import { FLOAT_BYTES, type FloatName } from "../onnx/graph_builder.ts";
import { PREFILL_CHUNK } from "../prefill.ts";
import { type FoundAdapter, openDevice } from "./adapter.ts";
import { checkSizes, feedsOf, fetchesOf } from "./feeds.ts";
import { paddedRows, roomFor } from "./padded_rows.ts";
import { RecordedRuns, type RunOutputs } from "./recording/recorded_runs.ts";
import { partedRows } from "./parted_rows.ts";
import { fingerprint } from "./fingerprint.ts";
import { decoderGraph } from "./graph.ts";
import kvLayout from "./kv_layout.wgsl" with { type: "text" };
import { createSession, type Runtime } from "./runtime.ts";
import { openTransfers } from "./transfers.ts";
import { readWasm } from "./wasm.ts";

/** Tokens of a prompt that go through the model at once at most, and bytes of their scores. */
const MOST_PREFILL_CHUNK = 1024;
const MOST_SCORE_BYTES = 2 ** 29;

/** Rows of a run that is recorded at most. */
const MOST_RECORDED_ROWS = 64;

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
const GPU_GRAPH_VERSION = 4;

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
  return Object.fromEntries(fetchesOf(shape, "all").map((name) => [name, "gpu-buffer"]));
}

/** Parameters of a kernel that looks at none of them but those that it is given. */
const NO_JOB = { heads: 0, tokens: 0, head_dim: 0, token_numbers: 0, first_number: 0, copies: 0 };

/** Of float16: 0, and -30,000, far below every score and far enough from the end to add one to it. */
const SEEN_HALF = 0;
const MASKED_HALF = 0xf753;

/** A mask in float16, two numbers to a word. */
function maskHalves(mask: Float32Array): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(2 * Math.ceil(mask.length / 2));
  for (let i = 0; i < mask.length; i++) halves[i] = mask[i] === 0 ? SEEN_HALF : MASKED_HALF;
  return new Float32Array(halves.buffer);
}

type Feeds = Record<string, Tensor>;
type Outputs = NonNullable<ForwardInput<GpuTensor>["outputs"]>;

class WebGpuEngine implements GpuEngine {
  readonly device = "webgpu";
  readonly backend: GpuBackend;
  readonly #kernels: Kernels;
  readonly #runs: RecordedRuns;

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
    this.#runs = new RecordedRuns(gpu);
    this.#kernels = Kernels.of(gpu, "KV layout", [pack, kvLayout], {
      halves: precision === "float16",
    });
  }

  async forward(input: ForwardInput<GpuTensor>): Promise<ForwardOutput<GpuTensor>> {
    const { shape, backend } = this;
    checkSizes(shape, input);
    const outputs = input.outputs ?? "none";
    const lent: GpuTensor[] = [];
    try {
      const padded = paddedRows(input);
      const feeds = backend.together(() => this.#feeds(padded, lent));
      const results = await this.#run(feeds, outputs, padded.logits);
      const words = await Workbench.of(this.gpu).read([{
        buffer: results.tensors.logits!.buffer,
        at: (padded.logits - input.logits) * shape.vocab,
        words: input.logits * shape.vocab,
      }]);
      const layers = outputs === "none" ? [] : this.#layers(results.tensors, outputs === "all");
      results.dispose();
      return { logits: new Float32Array(words.buffer), layers };
    } finally {
      for (const tensor of lent) backend.free(tensor);
    }
  }

  /** Runs the graph, or what was recorded of it. */
  #run(feeds: Feeds, outputs: Outputs, logits: number): Promise<RunOutputs> {
    const { precision } = this;
    const given = Object.values(feeds);
    const inputs = given.filter(({ location }) => location === "gpu-buffer");
    // A prompt's chunks are what the device is busy with, and hardly two are alike.
    const rows = feeds[names.ids]!.dims[0]!;
    const sizes = rows > MOST_RECORDED_ROWS
      ? undefined
      : JSON.stringify([outputs, logits, given.map(({ dims }) => dims)]);
    const buffers = inputs.map(({ gpuBuffer }) => gpuBuffer as GPUBuffer);
    return this.#runs.run(sizes, buffers, async () => {
      const results = await this.session.run(feeds, fetchesOf(this.shape, outputs));
      const tensors = Object.entries(results).map(([name, { gpuBuffer, dims }]) => {
        const size = dims.reduce((product, count) => product * count, 1);
        const type = name === names.logits ? "float32" : precision;
        return [name, { buffer: gpuBuffer as GPUBuffer, dims, bytes: FLOAT_BYTES[type] * size }];
      });
      return {
        tensors: Object.fromEntries(tensors),
        dispose() {
          for (const tensor of Object.values(results)) tensor.dispose();
        },
      };
    });
  }

  /** Inputs of one run; `lent` takes the tensors that are made for it. */
  #feeds(input: ForwardInput<GpuTensor>, lent: GpuTensor[]): Feeds {
    const { runtime, shape, precision } = this;
    const { parts, rows, masks } = partedRows(input, shape, this.#largestTensor);
    const columns = input.past[0]!.key.capacity + rows;
    const onGpu = (buffer: GPUBuffer, dims: readonly number[]) =>
      runtime.Tensor.fromGpuBuffer(buffer, { dataType: precision, dims });
    const wrap = (tensor: GpuTensor) => {
      const { heads, capacity, headDim } = tensor;
      return onGpu(this.#pastOf(tensor, parts, lent), [parts, heads, capacity, headDim]);
    };
    const feeds = feedsOf(runtime, input, wrap);
    // What the runtime does must not depend on them.
    for (const name of [names.ids, names.positions]) {
      const { data, dims } = feeds[name]!;
      const words = new Float32Array((data as BigInt64Array<ArrayBuffer>).buffer);
      feeds[name] = runtime.Tensor.fromGpuBuffer(this.#lend(words, lent), {
        dataType: "int64",
        dims: name === names.ids ? dims.slice(1) : dims,
      });
    }
    const each = (value: number, count: number) =>
      new runtime.Tensor("int32", new Int32Array(count).fill(value), [count]);
    feeds[names.parts] = new runtime.Tensor("int64", BigInt64Array.of(BigInt(parts)), [1]);
    feeds[names.lastEntry] = each(columns - 1, parts);
    feeds[names.entries] = each(columns, 1);
    const uploaded = masks.map((mask) => {
      const numbers = precision === "float32" ? mask : maskHalves(mask);
      return onGpu(this.#lend(numbers, lent), [parts, 1, rows, columns]);
    });
    for (let l = 0; l < shape.layers; l++) {
      feeds[names.layerMask(l)] = uploaded[l % uploaded.length]!;
    }
    return feeds;
  }

  /** Words on the device, for one run. */
  #lend(words: Float32Array<ArrayBuffer>, lent: GpuTensor[]): GPUBuffer {
    const tensor = this.backend.upload(words, { heads: 1, capacity: 1, headDim: words.length });
    lent.push(tensor);
    return tensor.buffer;
  }

  /** A past in the graph's numbers, once for each part. */
  #pastOf(tensor: GpuTensor, parts: number, lent: GpuTensor[]): GPUBuffer {
    const { precision, backend } = this;
    const { heads, capacity, headDim } = tensor;
    const whole = precision === "float32";
    if (whole && parts === 1) return tensor.buffer;
    const count = heads * capacity * headDim;
    const words = whole ? count : Math.ceil(count / 2);
    const made = (words: number) => {
      const scratch = backend.scratch({ heads: 1, capacity: 1, headDim: words });
      lent.push(scratch);
      return scratch.buffer;
    };
    let one = tensor.buffer;
    if (!whole) {
      one = made(words);
      this.#kernels.run("to_halves", { threads: words }, {
        job: { ...NO_JOB, count },
        numbers: tensor.buffer,
        packed: one,
      });
      if (parts === 1) return one;
    }
    const copies = made(parts * words);
    this.#kernels.run("repeat", { threads: words }, {
      job: { ...NO_JOB, count: words, copies: parts },
      columns: one,
      packed: copies,
    });
    return copies;
  }

  /** What the graph gives of each layer as KV tensors. */
  #layers(results: RunOutputs["tensors"], all: boolean): LayerOutput<GpuTensor>[] {
    const { backend, shape: { layers, queryHeads, kvHeads, headDim } } = this;
    const headsFirst = (name: string, heads: number, skipped = 0): GpuTensor => {
      const result = results[name]!;
      const [, tokens, columns] = result.dims as [number, number, number];
      const tensor = backend.alloc({ heads, capacity: tokens, headDim });
      this.#kernels.run("heads_first", { threads: heads * tokens * headDim }, {
        job: {
          ...{ heads, tokens, head_dim: headDim, count: 0, copies: 0 },
          ...{ token_numbers: columns, first_number: skipped * headDim },
        },
        columns: result.buffer,
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
    return outputs;
  }

  /** As many as the scores of a layer leave room for: a launch costs the same for few and for many. */
  prefillChunk(tokens: number): number {
    const most = Math.min(this.#largestTensor, MOST_SCORE_BYTES);
    const row = Float32Array.BYTES_PER_ELEMENT * this.shape.queryHeads;
    let chunk = MOST_PREFILL_CHUNK;
    while (chunk > PREFILL_CHUNK && chunk * (tokens + chunk) * row > most) chunk /= 2;
    return chunk;
  }

  pastRoom(entries: number): number {
    return roomFor(entries);
  }

  /** Bytes. */
  get #largestTensor(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.limits;
    return Math.min(maxStorageBufferBindingSize, maxBufferSize);
  }

  async close(): Promise<void> {
    this.#runs.close();
    await this.session.release();
    this.backend.close();
    Workbench.of(this.gpu).close();
    this.gpu.destroy();
  }
}
