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
import { freeMemory } from "./free_memory.ts";
import { mayWrite } from "./temporary_weights.ts";
import { UserError } from "../../errors.ts";
import { openWasmEngine } from "./wasm.ts";
import { openWebGpuEngine } from "./webgpu.ts";
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
export type Device = "auto" | "webgpu" | "cpu" | "wasm";

/** Devices by name. */
export const devices = ["auto", "webgpu", "cpu", "wasm"] as const satisfies readonly Device[];

/**
 * Opens a model on a device. `auto` takes WebGPU on a real GPU, else the processor, and says which.
 *
 * @param notice takes a sentence for stderr
 * @param weights keeps files of large weights for the next time, where a device uses any
 * @throws {UserError} for `webgpu` on a machine without a WebGPU adapter
 */
export async function openEngine(
  model: Model,
  device: Device,
  notice?: (sentence: string) => void,
  weights?: WeightsPlace,
): Promise<Engine> {
  if (device === "cpu") return await openCpuEngine(model, weights);
  if (device === "wasm") return await openWasmEngine(model);
  const found = await findAdapter();
  if (device === "auto") {
    const choice = chooseDevice(found);
    notice?.(choice.reason);
    if (choice.device === "cpu") return await openCpuEngine(model, weights);
  }
  if (found === undefined) {
    throw new UserError(
      // deno-lint-ignore error-law/value -- there is no adapter to name
      "There is no WebGPU adapter on this machine: install the driver of its GPU, or a software driver (Debian: apt-get install mesa-vulkan-drivers), or use --device cpu",
    );
  }
  return await openWebGpuEngine(model, found);
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
  const on = device === "auto" ? chooseDevice(await findAdapter()).device : device;
  const into = on === "cpu" && await mayWrite() ? "cpu, mapped" : on;
  checkFits(name, size, into, await freeMemory());
  const sentence = loadSentence(name, size, into);
  if (sentence !== undefined) notice?.(sentence);
}

/**
 * What `auto` means on a machine with this adapter, and why, as a sentence.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { chooseDevice } from "./open.ts";
 *
 * assertEquals(chooseDevice(undefined).device, "cpu");
 * ```
 */
export function chooseDevice(
  found: Pick<FoundAdapter, "description" | "software"> | undefined,
): { readonly device: "webgpu" | "cpu"; readonly reason: string } {
  if (found === undefined) {
    return { device: "cpu", reason: "Device cpu: there is no WebGPU adapter" };
  }
  const { description, software } = found;
  return software
    ? {
      device: "cpu",
      reason: `Device cpu: the only WebGPU adapter is a software driver (${description})`,
    }
    : { device: "webgpu", reason: `Device webgpu: ${description}` };
}
