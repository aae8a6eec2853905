/**
 * One pass of the calibration set through the model: each sample goes through once, what families
 * learn from is kept of it, and its tensors are freed before the next one comes.
 *
 * @module
 */
import type { KeptSamples, Noise, Sensitivity } from "../quant/calibration.ts";
import { CpuBackend } from "../quant/backend_cpu.ts";
import { SampleKeeper } from "../quant/sample_keeper.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { Engine } from "../engine/engine.ts";
import { allocLayers, feed } from "../engine/prefill.ts";
import { uploadRotary } from "../engine/rotary.ts";
import { type SampleTokens, SensitivityMeter } from "./sensitivity.ts";

/** Samples that sensitivity is measured on, at most. */
const MOST_MEASURED = 4;
/** Rows of all these passes, as a share of the set's tokens: what measuring may cost. */
const MEASURED_SHARE = 1 / 16;
const LEAST_PREDICTIONS = 2;

/** What a pass leaves. */
export interface SamplePass {
  readonly samples: KeptSamples;
  /** By name of what asked: how much predictions suffer in each layer. */
  readonly sensitivity: ReadonlyMap<string, readonly Sensitivity[]>;
  /** Wall time of all that was done for it, in seconds. */
  readonly measureSeconds: number;
}

/** What a pass is given beside engine and samples. */
export interface SamplePassOptions {
  /** By name, makes noise of what was kept so far; predictions are watched under each. */
  readonly noises?: ReadonlyMap<string, (samples: KeptSamples) => Noise>;
  /** Bytes that may be kept of the samples; default 1 GiB. */
  readonly mostBytes?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs every sample teacher-forced, its reply included.
 *
 * Sensitivity is measured on a few of them, which go last, so that the noise knows the others.
 *
 * @throws {QuantizerError} when a tensor is not finite, naming layer and kind
 */
export async function runSamples<T extends KvShape>(
  engine: Engine<T>,
  samples: readonly SampleTokens[],
  { noises = new Map(), mostBytes, signal }: SamplePassOptions = {},
): Promise<SamplePass> {
  const { backend, shape } = engine;
  const lengths = samples.map(({ ids }) => ids.length);
  const keeper = new SampleKeeper(shape, shape.rotary, lengths, mostBytes);
  const measured = noises.size === 0 ? [] : evenChoice(samples.length, MOST_MEASURED);
  const others = samples.keys().filter((index) => !measured.includes(index));
  const tokens = lengths.reduce((a, b) => a + b, 0);
  const rowsPerPrediction = measured.length * 2 * (shape.layers + 1);
  const predictions = Math.max(
    LEAST_PREDICTIONS,
    Math.floor(tokens * MEASURED_SHARE / rowsPerPrediction),
  );
  let measureSeconds = 0;
  const meters = new Map<string, SensitivityMeter<T>>();
  for (const index of [...others, ...measured]) {
    const sample = samples[index]!;
    const layers = allocLayers(engine, sample.ids.length);
    try {
      await feed(engine, sample.ids, layers, undefined, async (layer, output, from) => {
        signal?.throwIfAborted();
        for (
          const [name, tensor] of [
            ["keys", output.key],
            ["preRopeKeys", output.preRopeKey!],
            ["values", output.value],
            ["queries", output.query!],
          ] as const
        ) {
          const { heads, capacity, headDim } = tensor;
          const data = await backend.read(tensor);
          keeper.add(index, layer, name, { heads, capacity, headDim, data }, from);
        }
      });
      if (!measured.includes(index)) continue;
      const start = performance.now();
      if (meters.size === 0) {
        const rope = uploadRotary(new CpuBackend(), Math.max(...lengths), shape.rotary);
        const kept = keeper.kept();
        for (const [name, noise] of noises) {
          meters.set(name, new SensitivityMeter(engine, noise(kept), rope, predictions));
        }
      }
      for (const meter of meters.values()) {
        await meter.add({ index, ...sample, layers }, signal);
      }
      measureSeconds += (performance.now() - start) / 1000;
    } finally {
      for (const { key, value } of layers) {
        backend.free(key);
        backend.free(value);
      }
    }
  }
  return {
    samples: keeper.kept(),
    sensitivity: new Map([...meters].map(([name, meter]) => [name, meter.result()])),
    measureSeconds,
  };
}

/** Up to `most` of `count` places, evenly spread from the first to the last. */
function evenChoice(count: number, most: number): number[] {
  const chosen = Math.min(count, most);
  const gap = (count - 1) / Math.max(1, chosen - 1);
  return Array.from({ length: chosen }, (_, i) => Math.round(i * gap));
}
