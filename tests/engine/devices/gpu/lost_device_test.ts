import { assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { findAdapter } from "../../../../engine/devices/adapter.ts";
import { runKnownTokens } from "../../../../engine/prefill.ts";
import { openWebGpuEngine } from "../../../../engine/devices/webgpu.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { UserError } from "../../../../errors.ts";
import { freeReference, runReference } from "../../../../replay/reference.ts";
import { device as gpu } from "../../../quant/backends.ts";

const folder = fileURLToPath(new URL("../../../golden/model/sharded-bf16", import.meta.url));

Deno.test({
  name: "a GPU that goes away in the middle ends in one sentence, and no buffer is left over",
  ignore: gpu === undefined,
  fn: async () => {
    const engine = await openWebGpuEngine(await loadModel(folder), (await findAdapter())!);
    const bench = Workbench.of(engine.gpu);
    freeReference(engine, await runReference(engine, [1, 2, 3], 2, []));
    const { live } = bench;
    engine.gpu.destroy();
    await assertRejects(
      () => runReference(engine, [1, 2, 3], 2, []),
      UserError,
      "The GPU gave nothing back",
    );
    await assertRejects(() => runKnownTokens(engine, [1, 2, 3]), UserError, "nothing back");
    assertEquals(bench.live, live);
    await engine.close();
  },
});
