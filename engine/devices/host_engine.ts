/**
 * An engine whose tensors are in host memory, over any onnxruntime package.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import type { StorePool } from "../../quant/pool/store_pool.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import type { Engine, ForwardInput, ForwardOutput, ModelShape } from "../engine.ts";
import { names } from "../onnx/decoder.ts";
import { checkSizes, columnsOf, feedsOf, fetchesOf, kvShapeOf, layersOf } from "./feeds.ts";
import type { Runtime } from "./runtime.ts";

/** A model as a runtime that computes on the processor has it. */
export class HostEngine implements Engine<CpuTensor> {
  readonly backend = new CpuBackend((tensor) => this.pool?.forget(tensor));
  declare readonly pool?: StorePool;

  constructor(
    private readonly runtime: Runtime,
    private readonly session: InferenceSession,
    readonly device: "cpu" | "wasm",
    readonly shape: ModelShape,
    readonly fingerprint: string,
    pool?: StorePool,
    private readonly closed: () => Promise<void> = () => Promise.resolve(),
  ) {
    if (pool !== undefined) this.pool = pool;
  }

  async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const { runtime, shape } = this;
    checkSizes(shape, input);
    const outputs = input.outputs ?? "none";
    const wrap = ({ data, heads, capacity, headDim }: CpuTensor) =>
      new runtime.Tensor("float32", data, [1, heads, capacity, headDim]);
    const { mask, maskLayers, ids } = input;
    const sizes = [maskLayers, 1, ids.length, columnsOf(input)];
    const feeds = {
      ...feedsOf(runtime, input, wrap),
      [names.mask]: new runtime.Tensor("float32", mask, sizes),
    };
    const results = await this.session.run(feeds, fetchesOf(shape, outputs));
    return {
      logits: results.logits!.data as Float32Array<ArrayBuffer>,
      layers: layersOf(shape, outputs, results, hostTensor),
    };
  }

  async close(): Promise<void> {
    this.pool?.close();
    await this.session.release();
    await this.closed();
  }
}

function hostTensor(tensor: Tensor): CpuTensor {
  return { ...kvShapeOf(tensor), data: tensor.data as Float32Array<ArrayBuffer> };
}
