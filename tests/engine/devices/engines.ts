/**
 * The engines every model test runs on. The webgpu engines need an adapter (the software driver will
 * do); without one its tests are reported as ignored, or fail when KVREPLAY_REQUIRE_GPU is 1.
 */
import { assertEquals } from "@std/assert";
import type { Engine } from "../../../engine/engine.ts";
import { openCpuEngine } from "../../../engine/devices/cpu.ts";
import { openEngine } from "../../../engine/devices/open.ts";
import { loadModel, type Model } from "../../../engine/checkpoint/model.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { device as gpu } from "../../quant/backends.ts";

/** Ways to open a model in the order they are tested. */
const ways: Readonly<Record<string, (model: Model) => Promise<Engine>>> = {
  "cpu": (model) => openEngine(model, "cpu"),
  "cpu, weights mapped": (model) => openCpuEngine(model, undefined, 0),
  "wasm": (model) => openEngine(model, "wasm"),
  "webgpu": (model) => openEngine(model, "webgpu"),
  "webgpu-onnx": (model) => openEngine(model, "webgpu-onnx"),
};

/**
 * Registers a test of `body` for each engine, with the model of `folder` open on it.
 *
 * @param crossCheck also for `webgpu-onnx`, for which the model's own tests are enough
 */
export function testOnEngines(
  name: string,
  folder: string,
  body: (engine: Engine, model: Model) => Promise<void>,
  { crossCheck = false } = {},
): void {
  for (const [way, openModel] of Object.entries(ways)) {
    if (way === "webgpu-onnx" && !crossCheck) continue;
    Deno.test({
      name: `${name} (${way})`,
      ignore: way.startsWith("webgpu") && gpu === undefined,
      fn: async () => {
        const model = await loadModel(folder);
        const engine = await openModel(model);
        try {
          await body(engine, model);
        } finally {
          await engine.close();
        }
        assertNoBuffersLeft(engine);
      },
    });
  }
}

/** Fails if a closed engine's device has buffers of tensors or stores that nobody freed. */
export function assertNoBuffersLeft({ gpu }: Engine): void {
  if (gpu !== undefined) assertEquals(Workbench.of(gpu).live, 0, "buffers left behind");
}
