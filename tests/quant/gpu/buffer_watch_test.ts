/** The gate itself: a test that forgets a buffer fails. */
import { assertRejects } from "@std/assert";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { device, onGpu } from "../backends.ts";

Deno.test({
  name: "a buffer that is left behind fails its test, and only that (gpu)",
  ignore: device === undefined,
  async fn() {
    const usage = GPUBufferUsage.STORAGE;
    await assertRejects(
      () =>
        onGpu((_, device) => {
          Workbench.of(device).buffer("forgotten", 1);
          device.createBuffer({ size: 4, usage });
        }),
      Error,
      "The test left 2 buffers behind: forgotten, without a label",
    );
    await onGpu((backend, device) => {
      backend.upload(Float32Array.of(1), { heads: 1, capacity: 1, headDim: 1 });
      device.createBuffer({ size: 4, usage }).destroy();
    });
  },
});
