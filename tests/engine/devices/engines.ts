/**
 * The engines every model test runs on. The webgpu engine needs an adapter (the software driver will
 * do); without one its tests are reported as ignored, or fail when KVREPLAY_REQUIRE_GPU is 1.
 */
import { assertEquals } from "@std/assert";
import type { Engine } from "../../../engine/engine.ts";
import { openEngine } from "../../../engine/devices/open.ts";
import { loadModel, type Model } from "../../../engine/checkpoint/model.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { device as gpu } from "../../quant/backends.ts";

/** Devices in the order they are tested. */
const tested = ["cpu", "wasm", "webgpu"] as const;

/** Registers a test of `body` for each engine, with the model of `folder` open on it. */
export function testOnEngines(
  name: string,
  folder: string,
  body: (engine: Engine, model: Model) => Promise<void>,
): void {
  for (const device of tested) {
    Deno.test({
      name: `${name} (${device})`,
      ignore: device === "webgpu" && gpu === undefined,
      fn: async () => {
        const model = await loadModel(folder);
        const engine = await openEngine(model, device);
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
