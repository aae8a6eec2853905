/**
 * Opens a model on a device.
 *
 * @module
 */
import type { Engine } from "../engine.ts";
import type { Model } from "../checkpoint/model.ts";
import type { ModelSize } from "../checkpoint/model_size.ts";
import { findAdapter, type FoundAdapter } from "./adapter.ts";
import { openCpuEngine } from "./cpu.ts";
import { checkFits, loadSentence } from "./expected_load.ts";
import {
  type DeviceTimes,
  fasterOf,
  timesKey,
  type TimesStore,
  workSeconds,
} from "./faster_device.ts";
import { freeMemory } from "./free_memory.ts";
import { mayWrite } from "./temporary_weights.ts";
import { UserError } from "../../errors.ts";
import { openWasmEngine } from "./wasm.ts";
import { openWebGpuEngine } from "./webgpu.ts";
import { openWebGpuOnnxEngine } from "./webgpu_onnx.ts";
import type { WeightsPlace } from "./weights_file.ts";

/**
 * Name of a device, as the command line spells it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Device, open } from "@kvreplay/kvreplay";
 *
 * // Numbers that another machine is to reproduce are not left to the GPU that it may have.
 * const deviceFor = (reproducible: boolean): Device => reproducible ? "cpu" : "auto";
 * await using lab = await open("mini", { device: deviceFor(true) });
 * assertEquals(lab.device, "cpu");
 * ```
 */
export type Device = "auto" | "webgpu" | "webgpu-onnx" | "cpu" | "wasm";

/** Devices by name. */
export const devices = [
  "auto",
  "webgpu",
  "webgpu-onnx",
  "cpu",
  "wasm",
] as const satisfies readonly Device[];

/**
 * What a model computes in, as the command line spells it.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { open, type Precision } from "@kvreplay/kvreplay";
 *
 * const precision: Precision = "float16";
 * // A processor computes in float32.
 * await assertRejects(() => open("mini", { device: "cpu", precision }));
 * ```
 */
export type Precision = "float32" | "float16";

/** Precisions by name. */
export const precisions = ["float32", "float16"] as const satisfies readonly Precision[];

/** What opening a model may use. */
export interface OpenOptions {
  /** What it computes in; default `float32`. */
  readonly precision?: Precision;
  /** Threads of the processor; default as many as there are cores, up to 8. */
  readonly threads?: number;
  /** Takes a sentence for stderr. */
  readonly notice?: (sentence: string) => void;
  /** Keeps files of large weights for the next time, where a device uses any. */
  readonly weights?: WeightsPlace;
  /** Remembers which device is faster. */
  readonly times?: TimesStore;
}

/**
 * Opens a model on a device. `auto` takes the faster one of the processor and a real GPU, and says
 * which and why.
 *
 * @throws {UserError} for `webgpu` and `webgpu-onnx` on a machine without a WebGPU adapter
 */
export async function openEngine(
  model: Model,
  device: Device,
  options: OpenOptions = {},
): Promise<Engine> {
  const { notice, weights, threads, precision = "float32" } = options;
  if (precision === "float16" && device !== "webgpu" && device !== "auto") {
    throw new UserError(`Device ${device} computes in float32; float16 needs --device webgpu`);
  }
  if (device === "cpu") return await openCpuEngine(model, weights, undefined, threads);
  if (device === "wasm") return await openWasmEngine(model);
  const found = await findAdapter();
  // In float16 there is nothing to choose from.
  if (device === "auto" && precision === "float32") {
    if (isRealGpu(found)) return await openFaster(model, found, options);
    notice?.(withoutGpu(found));
    return await openCpuEngine(model, weights, undefined, threads);
  }
  if (found === undefined) {
    throw new UserError(
      // deno-lint-ignore error-law/value -- there is no adapter to name
      "There is no WebGPU adapter on this machine: install the driver of its GPU, or a software driver (Debian: apt-get install mesa-vulkan-drivers), or use --device cpu",
    );
  }
  if (device === "webgpu-onnx") return await openWebGpuOnnxEngine(model, found);
  return await openWebGpuEngine(model, found, {
    precision,
    ...(notice === undefined ? {} : { notice }),
  });
}

/**
 * Says what loading a model will take, and refuses one that there is no memory for.
 *
 * @param name what the user called it
 * @param notice takes a sentence for stderr
 * @throws {UserError} for a model that does not fit
 */
export async function announceLoad(
  name: string,
  size: ModelSize,
  device: Device,
  notice?: (sentence: string) => void,
): Promise<void> {
  // Both may be opened, and what the GPU takes is more.
  const on = device !== "auto" ? device : isRealGpu(await findAdapter()) ? "webgpu" : "cpu";
  const into = on === "cpu" && await mayWrite() ? "cpu, mapped" : on;
  checkFits(name, size, into, await freeMemory());
  const sentence = loadSentence(name, size, into);
  if (sentence !== undefined) notice?.(sentence);
}

/**
 * Opens a model where it runs faster, on the processor or on a GPU. Where nobody remembers, it is
 * opened on both and measured.
 */
export async function openFaster(
  model: Model,
  found: FoundAdapter,
  { notice, weights, times, threads }: OpenOptions = {},
): Promise<Engine> {
  const onCpu = () => openCpuEngine(model, weights, undefined, threads);
  const onGpu = () => openWebGpuEngine(model, found);
  const key = await timesKey(model, found.description);
  const known = await times?.load(key);
  if (known !== undefined) {
    notice?.(comparison(found, known));
    return await (fasterOf(known) === "cpu" ? onCpu() : onGpu());
  }
  const gpu = await measured(onGpu);
  if (gpu instanceof Error) {
    notice?.(`Device cpu: the model does not run on ${found.description} (${gpu.message})`);
    return await onCpu();
  }
  const cpu = await measured(onCpu);
  if (cpu instanceof Error) {
    await gpu.engine.close();
    throw cpu;
  }
  const measuredTimes = { cpu: cpu.seconds, webgpu: gpu.seconds };
  await times?.save(key, measuredTimes);
  notice?.(comparison(found, measuredTimes));
  const [faster, other] = fasterOf(measuredTimes) === "cpu" ? [cpu, gpu] : [gpu, cpu];
  await other.engine.close();
  return faster.engine;
}

/** An engine and how fast it is, or what went wrong. */
async function measured(
  openOne: () => Promise<Engine>,
): Promise<{ readonly engine: Engine; readonly seconds: number } | Error> {
  let engine: Engine | undefined;
  try {
    engine = await openOne();
    return { engine, seconds: await workSeconds(engine) };
  } catch (error) {
    await engine?.close().catch(() => {});
    if (error instanceof Error && !(error instanceof Deno.errors.NotCapable)) return error;
    throw error;
  }
}

function comparison({ description }: FoundAdapter, times: DeviceTimes): string {
  const inWords = (seconds: number) => `${Number(seconds.toPrecision(2))} s`;
  return fasterOf(times) === "cpu"
    ? `Device cpu: models of this size take ${
      inWords(times.cpu)
    } there for what takes ${description} ${inWords(times.webgpu)}`
    : `Device webgpu: models of this size take ${description} ${
      inWords(times.webgpu)
    } for what takes the processor ${inWords(times.cpu)}`;
}

function isRealGpu(found: FoundAdapter | undefined): found is FoundAdapter {
  return found !== undefined && !found.software;
}

/** Why `auto` means the processor on a machine without a GPU. */
function withoutGpu(found: FoundAdapter | undefined): string {
  return found === undefined
    ? "Device cpu: there is no WebGPU adapter"
    : `Device cpu: the only WebGPU adapter is a software driver (${found.description})`;
}
