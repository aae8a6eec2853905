import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { UserError } from "../../../errors.ts";
import { fingerprint } from "../../../engine/devices/fingerprint.ts";
import { openEngine } from "../../../engine/devices/open.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";

const folder = (name: string) =>
  fileURLToPath(new URL(`../../golden/model/${name}`, import.meta.url));
const model = await loadModel(folder("wide-heads-f16"));

/** Runs `body` as on a machine without WebGPU. */
async function withoutGpu(body: () => Promise<void>): Promise<void> {
  Object.defineProperty(navigator, "gpu", { value: undefined, configurable: true });
  try {
    await body();
  } finally {
    Reflect.deleteProperty(navigator, "gpu");
  }
}

for (const device of ["webgpu", "webgpu-onnx"] as const) {
  Deno.test(`${device} without an adapter says what to install`, async () => {
    await withoutGpu(async () => {
      const error = await assertRejects(() => openEngine(model, device), UserError);
      assert(error.message.includes("mesa-vulkan-drivers"), error.message);
    });
  });
}

Deno.test({
  name: "auto without an adapter opens the processor",
  fn: async () => {
    await withoutGpu(async () => {
      const notices: string[] = [];
      const engine = await openEngine(model, "auto", {
        notice: (sentence) => notices.push(sentence),
      });
      assertEquals([engine.device, engine.backend.name], ["cpu", "cpu"]);
      assertEquals(notices, ["Device cpu: there is no WebGPU adapter"]);
      await engine.close();
    });
  },
});

Deno.test("a fingerprint tells models and runtimes apart", async () => {
  const other = await loadModel(folder("sharded-bf16"));
  const runtime = ["cpu", "1.30.0"];
  const plain = await fingerprint(model, runtime);
  assertEquals(await fingerprint(model, runtime), plain);
  assertNotEquals(await fingerprint(other, runtime), plain);
  assertNotEquals(await fingerprint(model, ["wasm", "1.30.0"]), plain);
  assertNotEquals(await fingerprint(model, ["cpu", "1.31.0"]), plain);
});
