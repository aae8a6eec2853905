/**
 * Opens a model on a device.
 *
 * @module
 */
import type { KvShape } from "../../quant/tensor.ts";
import type { Engine } from "../engine.ts";
import type { Model } from "../checkpoint/folder.ts";
import { openOnCpu, openOnGpu, type OpenStore } from "../../replay/quantize.ts";
import { findAdapter, type FoundAdapter } from "./adapter.ts";
import { openCpuEngine } from "./cpu.ts";
import { UserError } from "../../errors.ts";
import { openWasmEngine } from "./wasm.ts";
import { openWebGpuEngine } from "./webgpu.ts";

/** Devices by name, as the command line spells them. */
export const devices = ["auto", "webgpu", "cpu", "wasm"] as const;

/** Name of a device. */
export type Device = typeof devices[number];

/** An engine, and how stores are opened in its memory. */
export interface OpenedEngine {
  /** The model, ready to run. */
  readonly engine: Engine;
  /** Opens a quantizer's store beside the engine's tensors. */
  readonly open: OpenStore<KvShape>;
}

/**
 * Opens a model on a device. `auto` takes WebGPU on a real GPU, else the processor, and says which.
 *
 * @param notice takes a sentence for stderr
 * @throws {UserError} for `webgpu` on a machine without a WebGPU adapter
 */
export async function openEngine(
  model: Model,
  device: Device,
  notice?: (sentence: string) => void,
): Promise<OpenedEngine> {
  if (device === "cpu") return onHost(await openCpuEngine(model));
  if (device === "wasm") return onHost(await openWasmEngine(model));
  const found = await findAdapter();
  if (device === "auto") {
    const choice = chooseDevice(found);
    notice?.(choice.reason);
    if (choice.device === "cpu") return onHost(await openCpuEngine(model));
  }
  if (found === undefined) {
    throw new UserError(
      // deno-lint-ignore error-law/value -- there is no adapter to name
      "There is no WebGPU adapter on this machine: install the driver of its GPU, or a software driver (Debian: apt-get install mesa-vulkan-drivers), or use --device cpu",
    );
  }
  const engine = await openWebGpuEngine(model, found);
  return { engine, open: openOnGpu(engine.gpu) as unknown as OpenStore<KvShape> };
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

function onHost(engine: Engine): OpenedEngine {
  return { engine, open: openOnCpu as unknown as OpenStore<KvShape> };
}
