import { assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { findAdapter } from "../../../../engine/devices/adapter.ts";
import { openWebGpuEngine } from "../../../../engine/devices/webgpu.ts";
import { UserError } from "../../../../errors.ts";
import { runReference } from "../../../../replay/reference.ts";
import { device as gpu } from "../../../quant/backends.ts";

const folder = fileURLToPath(new URL("../../../golden/model/sharded-bf16", import.meta.url));

Deno.test({
  name: "a GPU that goes away in the middle ends in one sentence",
  ignore: gpu === undefined,
  fn: async () => {
    const engine = await openWebGpuEngine(await loadModel(folder), (await findAdapter())!);
    await runReference(engine, [1, 2, 3], 2, []);
    engine.gpu.destroy();
    await assertRejects(
      () => runReference(engine, [1, 2, 3], 2, []),
      UserError,
      "The GPU gave nothing back",
    );
    await engine.close();
  },
});
