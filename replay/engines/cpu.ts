/**
 * Engines whose tensors are in host memory: onnxruntime-node, and onnxruntime-web's WebAssembly.
 *
 * @module
 */
import type { InferenceSession, Tensor } from "onnxruntime-common";
import type { CpuTensor } from "../../quant/tensor.ts";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import { sha256 } from "../digest.ts";
import type { Engine, ForwardInput, ForwardOutput, LayerOutput } from "../engine.ts";
import type { Model } from "../model/folder.ts";
import { buildQwen2, GRAPH_VERSION } from "../onnx/qwen2.ts";
import { feedsOf, fetchesOf, type OrtTensorFactory } from "./ort_session.ts";

interface Ort extends OrtTensorFactory {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: InferenceSession.SessionOptions,
    ): Promise<InferenceSession>;
  };
}

/** Opens a model on onnxruntime-node (`cpu`) or on onnxruntime-web's wasm (`wasm`). */
export async function openHostEngine(
  model: Model,
  device: "cpu" | "wasm",
): Promise<Engine<CpuTensor>> {
  const { ort, version } = device === "cpu" ? await loadNode() : await loadWasm();
  const graph = buildQwen2(
    model.shape,
    { ...model.config, dropTinyWeights: true },
    (name) => model.weights.get(name)!.data,
  );
  const session = await ort.InferenceSession.create(graph.model, {
    externalData: graph.externalData,
    graphOptimizationLevel: "all",
    executionProviders: [device],
    logSeverityLevel: 3,
  });
  return new HostEngine(
    ort,
    session,
    device,
    model.shape,
    await sha256(JSON.stringify([model.hash, GRAPH_VERSION, device, version])),
  );
}

async function loadNode(): Promise<{ ort: Ort; version: string }> {
  const ort = await import("onnxruntime-node");
  return { ort: ort as unknown as Ort, version: ort.env.versions.common };
}

async function loadWasm(): Promise<{ ort: Ort; version: string }> {
  const ort = await import("onnxruntime-web/wasm");
  // Threads would need workers from blob URLs, which this runtime does not start.
  ort.env.wasm.numThreads = 1;
  return { ort: ort as unknown as Ort, version: ort.env.versions.common };
}

class HostEngine implements Engine<CpuTensor> {
  readonly backend = new CpuBackend();

  constructor(
    private readonly ort: Ort,
    private readonly session: InferenceSession,
    readonly device: "cpu" | "wasm",
    readonly shape: Engine["shape"],
    readonly fingerprint: string,
  ) {}

  async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const outputs = input.outputs ?? "none";
    const feeds = feedsOf(
      this.ort,
      input,
      ({ data, heads, capacity, headDim }) =>
        new this.ort.Tensor("float32", data, [1, heads, capacity, headDim]),
    );
    const results = await this.session.run(feeds, fetchesOf(this.shape.layers, outputs));
    const layers: LayerOutput<CpuTensor>[] = [];
    if (outputs !== "none") {
      for (let l = 0; l < this.shape.layers; l++) {
        layers.push({
          key: hostTensor(results[`present.${l}.key`]!),
          value: hostTensor(results[`present.${l}.value`]!),
          ...(outputs === "all"
            ? {
              preRopeKey: hostTensor(results[`present.${l}.key_pre_rope`]!),
              query: hostTensor(results[`query.${l}`]!),
            }
            : {}),
        });
      }
    }
    return { logits: results.logits!.data as Float32Array<ArrayBuffer>, layers };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

function hostTensor(tensor: Tensor): CpuTensor {
  const [, heads, capacity, headDim] = tensor.dims as [number, number, number, number];
  return { heads, capacity, headDim, data: tensor.data as Float32Array<ArrayBuffer> };
}
