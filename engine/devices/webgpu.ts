/**
 * The engine `webgpu`: the decoder as kernels of ours on Deno's WebGPU. Keys and values stay in GPU
 * buffers of one device that the quantizers' kernels share; only ids, masks and logits cross to the
 * host.
 *
 * @module
 */
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import type { GpuTensor } from "../../quant/tensor.ts";
import { UserError } from "../../errors.ts";
import type { Engine, ForwardInput, ForwardOutput, LayerOutput, ModelShape } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { PREFILL_CHUNK } from "../prefill.ts";
import { type FoundAdapter, openDevice } from "./adapter.ts";
import { checkSizes } from "./feeds.ts";
import { fingerprint } from "./fingerprint.ts";
import { GPU_DECODER_VERSION, GpuDecoder } from "./gpu/decoder.ts";
import { uploadWeights } from "./gpu/decoder_weights.ts";
import {
  passBytes,
  type PlacedModel,
  replayBytes,
  requireRoom,
  weightBytes,
} from "./gpu/device_room.ts";
import type { FloatName } from "./gpu/float_words.ts";
import { LogitComparison } from "./gpu/logit_comparison.ts";
import { openTransfers } from "./transfers.ts";

/** Tokens of a prompt that go through the model at once at most, and bytes of what they are made into. */
const MOST_PREFILL_CHUNK = 2048;
const MOST_PRODUCT_BYTES = 2 ** 29;

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

/**
 * Opens a model on a WebGPU adapter.
 *
 * @param precision of weights and of what they are multiplied with
 * @param notice takes a sentence for stderr
 * @throws {UserError} where the device has no float16 and is asked for it, or the kernels not the
 * model's sizes
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
  const device = await openDevice(found.adapter);
  try {
    const transfers = await openTransfers(device);
    const placed = { bench: Workbench.of(device), model, precision, name: found.description };
    const said = await requireRoom(placed, openingBytes(placed), "The model takes");
    if (said !== undefined) notice?.(said);
    const weights = await uploadWeights(placed.bench, model, precision);
    if (weights.saturated > 0) {
      notice?.(
        `${
          weights.saturated.toLocaleString("en")
        } weights are beyond float16 and became its largest numbers`,
      );
    }
    const decoder = new GpuDecoder(device, model, weights, precision);
    const computes = ["webgpu", found.description, String(GPU_DECODER_VERSION), precision];
    const id = await fingerprint(model, computes);
    const name = `${found.description}, ${transfers} transfers`;
    return new WebGpuEngine(decoder, placed, id, name);
  } catch (error) {
    device.destroy();
    throw error;
  }
}

/** Bytes of the weights, and of reading a prompt and a step. */
function openingBytes(placed: PlacedModel): number {
  const rows = prefillChunk(placed);
  return weightBytes(placed) + passBytes(placed, { rows, logits: 1, past: 0 });
}

/** As many tokens at once as memory has room for: a launch costs the same for few and for many. */
function prefillChunk({ bench, model: { shape, config } }: PlacedModel): number {
  const row = Float32Array.BYTES_PER_ELEMENT * Math.max(shape.hidden, 2 * config.intermediate);
  const most = Math.min(bench.device.limits.maxStorageBufferBindingSize, MOST_PRODUCT_BYTES);
  let chunk = Math.min(MOST_PREFILL_CHUNK, shape.maxPositions);
  while (chunk > PREFILL_CHUNK && chunk * row > most) chunk /= 2;
  return chunk;
}

class WebGpuEngine implements GpuEngine {
  readonly device = "webgpu";
  readonly placesKv = true;
  readonly backend: GpuBackend;
  readonly shape: ModelShape;
  readonly gpu: GPUDevice;
  readonly #comparison: LogitComparison;

  constructor(
    private readonly decoder: GpuDecoder,
    private readonly placed: PlacedModel,
    readonly fingerprint: string,
    readonly gpuName: string,
  ) {
    const { bench: { device }, model: { shape } } = placed;
    this.shape = shape;
    this.gpu = device;
    this.backend = new GpuBackend(device);
    this.#comparison = new LogitComparison(device, shape.vocab);
  }

  async forward(input: ForwardInput<GpuTensor>): Promise<ForwardOutput<GpuTensor>> {
    checkSizes(this.shape, input);
    const { outputs = "none", into } = input;
    const placed = outputs === "kv" ? into : undefined;
    const layers = placed === undefined ? this.#layers(input) : [];
    try {
      const answer = this.placed.bench.batch(() => {
        const logits = this.decoder.run(input, placed ?? { layers, at: 0 });
        return this.#comparison.answer(input, logits);
      });
      return { ...await answer, layers };
    } catch (error) {
      const made = layers.flatMap(({ key, value, preRopeKey, query }) => [
        ...[key, value, preRopeKey, query].filter((tensor) => tensor !== undefined),
      ]);
      for (const tensor of made) this.backend.free(tensor);
      throw error;
    }
  }

  /** Tensors for what is asked for of each layer. */
  #layers({ ids, outputs = "none" }: ForwardInput<GpuTensor>): LayerOutput<GpuTensor>[] {
    if (outputs === "none") return [];
    const { backend, shape: { layers, queryHeads, kvHeads, headDim } } = this;
    const tensor = (heads: number) => backend.alloc({ heads, capacity: ids.length, headDim });
    return Array.from({ length: layers }, () => ({
      key: tensor(kvHeads),
      value: tensor(kvHeads),
      ...(outputs === "all" ? { preRopeKey: tensor(kvHeads), query: tensor(queryHeads) } : {}),
    }));
  }

  prefillChunk(): number {
    return prefillChunk(this.placed);
  }

  async checkRoom(tokens: number, steps: number): Promise<string | undefined> {
    const counts = `${tokens.toLocaleString("en")} tokens and ${steps.toLocaleString("en")} steps`;
    const bytes = replayBytes(this.placed, tokens, steps);
    return await requireRoom(this.placed, bytes, `Beside the model, ${counts} take`);
  }

  close(): Promise<void> {
    this.#comparison.close();
    this.decoder.close();
    this.backend.close();
    Workbench.of(this.gpu).close();
    this.gpu.destroy();
    return Promise.resolve();
  }
}
