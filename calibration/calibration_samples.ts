/**
 * One pass of the calibration set through the model: the tensors that calibration looks at.
 *
 * @module
 */
import type { CalibrationSamples } from "../quant/calibration.ts";
import type { CpuTensor, KvShape } from "../quant/tensor.ts";
import type { Engine } from "../engine/engine.ts";
import { runKnownTokens } from "../engine/prefill.ts";

/** Host memory that the tensors of the samples may take. */
const MOST_BYTES = 2 ** 30;

/** How many of the first samples of `lengths` tokens fit into `most` bytes; at least one. */
export function samplesThatFit(
  shape: Engine["shape"],
  lengths: readonly number[],
  most = MOST_BYTES,
): number {
  const perToken = 4 * shape.layers * (3 * shape.kvHeads + shape.queryHeads) * shape.headDim;
  let bytes = 0;
  const fit = lengths.findIndex((tokens) => (bytes += tokens * perToken) > most);
  return fit < 0 ? lengths.length : Math.max(1, fit);
}

/**
 * Runs every sample teacher-forced, its reply included, and keeps all tensors in host memory.
 *
 * @param ids token ids of each sample
 */
export async function collectSamples<T extends KvShape>(
  engine: Engine<T>,
  ids: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<CalibrationSamples> {
  const { backend, shape } = engine;
  const layers = Array.from({ length: shape.layers }, () => ({
    keys: [] as CpuTensor[],
    preRopeKeys: [] as CpuTensor[],
    values: [] as CpuTensor[],
    queries: [] as CpuTensor[],
  }));
  const take = async (tensor: T): Promise<CpuTensor> => {
    const { heads, capacity, headDim } = tensor;
    // A copy: on the CPU a backend may hand out the tensor's own memory.
    const data = (await backend.read(tensor)).slice();
    backend.free(tensor);
    return { heads, capacity, headDim, data };
  };
  for (const sample of ids) {
    signal?.throwIfAborted();
    const run = await runKnownTokens(engine, sample);
    for (const [l, layer] of layers.entries()) {
      layer.keys.push(await take(run.layers[l]!.key));
      layer.values.push(await take(run.layers[l]!.value));
      layer.preRopeKeys.push(await take(run.extras.preRopeKeys[l]!));
      layer.queries.push(await take(run.extras.queries[l]!));
    }
  }
  return { layers, rotary: shape.rotary };
}
