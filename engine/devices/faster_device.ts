/**
 * Which of two devices runs a model faster: measured the first time that a machine runs a model of
 * this size, and remembered. What decides cannot be read off the devices: a small model on a large GPU
 * waits for its launches, and the processor beside it is done before.
 *
 * @module
 */
import { sha256 } from "../digest.ts";
import { type Engine, type LayerKv, MASKED } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import { GRAPH_VERSION } from "../onnx/decoder.ts";
import { GPU_DECODER_VERSION } from "./gpu/decoder.ts";
import { allocLayers, feed, freeLayers } from "../prefill.ts";
import type { KvShape } from "../../quant/tensor.ts";

/** Seconds that each device took for the same work. */
export interface DeviceTimes {
  readonly cpu: number;
  readonly webgpu: number;
}

/** Where times are remembered. */
export interface TimesStore {
  /** What was kept under a key; undefined when nothing was. */
  load(key: string): Promise<DeviceTimes | undefined>;
  /** Keeps them; what cannot be kept is measured again. */
  save(key: string, times: DeviceTimes): Promise<void>;
}

/** Tokens of the prompt, steps that are decoded, and passes of so many steps each. */
const WORK = { prompt: 512, decoded: 8, passes: 4, steps: 16 };

/** By how much a GPU has to be faster: times vary, and the processor's numbers are the same everywhere. */
const MARGIN = 0.95;

/** The faster one of two. */
export function fasterOf({ cpu, webgpu }: DeviceTimes): "cpu" | "webgpu" {
  return webgpu < MARGIN * cpu ? "webgpu" : "cpu";
}

/** Hash of the machine and of the model's sizes, not of its weights. */
export function timesKey({ shape, config }: Model, adapter: string): Promise<string> {
  const { rotary: _, ...sizes } = shape;
  return sha256(JSON.stringify([
    "device times",
    GRAPH_VERSION,
    GPU_DECODER_VERSION,
    WORK,
    adapter,
    navigator.hardwareConcurrency,
    Deno.build.arch,
    Deno.version.deno,
    sizes,
    config.intermediate,
  ]));
}

/** Seconds for what a replay does with a model: a prompt, some decoding, some passes of many steps. */
export async function workSeconds<T extends KvShape>(engine: Engine<T>): Promise<number> {
  const { shape } = engine;
  const prompt = Math.max(1, Math.min(WORK.prompt, shape.maxPositions - WORK.steps));
  const layers = allocLayers(engine, prompt);
  try {
    // Once before the clock starts: kernels are compiled when they are first needed.
    await work(engine, layers, prompt);
    const start = performance.now();
    await work(engine, layers, prompt);
    return (performance.now() - start) / 1000;
  } finally {
    freeLayers(engine, layers);
  }
}

async function work<T extends KvShape>(
  engine: Engine<T>,
  layers: readonly LayerKv<T>[],
  prompt: number,
): Promise<void> {
  const { vocab } = engine.shape;
  await feed(engine, Array.from({ length: prompt }, (_, i) => i % vocab), layers);
  for (let i = 0; i < WORK.decoded; i++) await step(engine, layers, prompt, 1);
  for (let i = 0; i < WORK.passes; i++) await step(engine, layers, prompt, WORK.steps);
}

/** Steps that see the prompt and themselves, in one pass. */
async function step<T extends KvShape>(
  engine: Engine<T>,
  past: readonly LayerKv<T>[],
  prompt: number,
  steps: number,
): Promise<void> {
  const columns = prompt + steps;
  const mask = new Float32Array(steps * columns);
  for (let row = 0; row < steps; row++) {
    mask.fill(MASKED, row * columns + prompt, (row + 1) * columns);
    mask[row * columns + prompt + row] = 0;
  }
  await engine.forward({
    ids: new Array(steps).fill(0),
    positions: new Array(steps).fill(prompt),
    past,
    mask,
    maskLayers: 1,
    logits: steps,
  });
}
