/** `auto` on a machine with a GPU; the software driver stands for one. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { findAdapter } from "../../../engine/devices/adapter.ts";
import { type DeviceTimes, fasterOf, timesKey } from "../../../engine/devices/faster_device.ts";
import { openFaster } from "../../../engine/devices/open.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { assertNoBuffersLeft } from "./engines.ts";

const folder = (name: string) =>
  fileURLToPath(new URL(`../../golden/model/${name}`, import.meta.url));
const model = await loadModel(folder("wide-heads-f16"));
const found = await findAdapter();
const ignore = Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" && found === undefined;

/** A store in memory, and what was asked of it. */
function memory(kept: DeviceTimes | undefined) {
  const saved: DeviceTimes[] = [];
  return {
    saved,
    load: () => Promise.resolve(kept),
    save: (_: string, times: DeviceTimes) => {
      saved.push(times);
      return Promise.resolve();
    },
  };
}

Deno.test("the GPU has to be faster by more than chance", () => {
  assertEquals(fasterOf({ cpu: 1, webgpu: 0.5 }), "webgpu");
  assertEquals(fasterOf({ cpu: 1, webgpu: 0.97 }), "cpu");
  assertEquals(fasterOf({ cpu: 1, webgpu: 3 }), "cpu");
});

Deno.test("times are of a machine and of a model's size", async () => {
  const other = await loadModel(folder("sharded-bf16"));
  assertEquals(await timesKey(model, "one"), await timesKey({ ...model, hash: "x" }, "one"));
  assertNotEquals(await timesKey(model, "one"), await timesKey(model, "other"));
  assertNotEquals(await timesKey(model, "one"), await timesKey(other, "one"));
});

Deno.test({
  name: "a size that nobody remembers is measured on both, and the faster one stays open",
  ignore,
  fn: async () => {
    const notices: string[] = [];
    const times = memory(undefined);
    const engine = await openFaster(model, found!, { notice: (s) => notices.push(s), times });
    await engine.close();
    assertNoBuffersLeft(engine);
    const [measured] = times.saved;
    assert(measured!.cpu > 0 && measured!.webgpu > 0);
    assertEquals(engine.device, fasterOf(measured!));
    assertEquals(notices.length, 1);
    assert(
      notices[0]!.startsWith(`Device ${engine.device}: models of this size take `),
      notices[0],
    );
  },
});

for (const device of ["cpu", "webgpu"] as const) {
  Deno.test({
    name: `what was remembered is not measured again (${device})`,
    ignore,
    fn: async () => {
      const notices: string[] = [];
      const times = memory({ cpu: 0.1234, webgpu: device === "cpu" ? 1.5 : 0.0321 });
      const engine = await openFaster(model, found!, { notice: (s) => notices.push(s), times });
      await engine.close();
      assertEquals([engine.device, times.saved], [device, []]);
      const { description } = found!;
      assertEquals(notices, [
        device === "cpu"
          ? `Device cpu: models of this size take 0.12 s there for what takes ${description} 1.5 s`
          : `Device webgpu: models of this size take ${description} 0.032 s for what takes the processor 0.12 s`,
      ]);
    },
  });
}

Deno.test({
  name: "a model that a GPU cannot run runs on the processor",
  ignore,
  fn: async () => {
    const notices: string[] = [];
    const times = memory(undefined);
    const broken = { ...found!, adapter: { ...found!.adapter, requestDevice: () => {} } };
    const engine = await openFaster(model, broken as unknown as typeof found & object, {
      notice: (sentence) => notices.push(sentence),
      times,
    });
    await engine.close();
    assertEquals([engine.device, times.saved], ["cpu", []]);
    assert(notices[0]!.startsWith("Device cpu: the model does not run on "), notices[0]);
  },
});
