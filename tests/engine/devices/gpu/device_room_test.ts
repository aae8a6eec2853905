/** A device that has little memory: told and refused before anything is done, or in one sentence. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "../../../../engine/checkpoint/model.ts";
import { findAdapter } from "../../../../engine/devices/adapter.ts";
import { replayBytes } from "../../../../engine/devices/gpu/device_room.ts";
import { openWebGpuEngine } from "../../../../engine/devices/webgpu.ts";
import { UserError } from "../../../../errors.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { freeReference, runReference } from "../../../../replay/reference.ts";
import { device as gpu } from "../../../quant/backends.ts";

const folder = fileURLToPath(new URL("../../../golden/model/sharded-bf16", import.meta.url));

/** Memory of a device, and what lies in it. */
class Memory {
  limit = Infinity;
  /** Bytes of every buffer by its label, freed ones included. */
  readonly made: { readonly label: string; readonly size: number }[] = [];
  #used = 0;
  readonly #scopes: (GPUError | null)[] = [];

  /** Has a device report that it has no more. */
  of(device: GPUDevice): void {
    const create = device.createBuffer.bind(device);
    const push = device.pushErrorScope.bind(device);
    const pop = device.popErrorScope.bind(device);
    device.pushErrorScope = (kind) => {
      this.#scopes.push(null);
      push(kind);
    };
    device.popErrorScope = () => {
      const error = this.#scopes.pop() ?? null;
      return pop().then((own) => own ?? error);
    };
    device.createBuffer = (descriptor) => {
      const { label = "", size } = descriptor;
      if (this.#used + size > this.limit) {
        this.#scopes[this.#scopes.length - 1] = new GPUOutOfMemoryError("Not enough memory left");
      }
      this.made.push({ label, size });
      this.#used += size;
      const buffer = create(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        this.#used -= size;
        destroy();
      };
      return buffer;
    };
  }

  /** Bytes that are held. */
  get used(): number {
    return this.#used;
  }
}

async function open(model: Model, memory: Memory) {
  const found = (await findAdapter())!;
  const request = found.adapter.requestDevice.bind(found.adapter);
  found.adapter.requestDevice = async (descriptor) => {
    const device = await request(descriptor);
    memory.of(device);
    return device;
  };
  return await openWebGpuEngine(model, found);
}

Deno.test({
  name: "what there is no memory for is refused before it is begun, or ends in one sentence",
  ignore: gpu === undefined,
  fn: async () => {
    const model = await loadModel(folder);
    const memory = new Memory();
    memory.limit = 400_000;
    const refused = await assertRejects(() => open(model, memory), UserError);
    assertMatch(
      refused.message,
      /^The model takes about [\d.]+ KiB of the memory of .*, which has 3[\d.]+ KiB left: use --precision float16, shorter prompts, a smaller model or --device cpu$/,
    );
    assert(memory.made.every(({ label }) => label !== "weight"));

    memory.limit = Infinity;
    const engine = await open(model, memory);
    const bench = Workbench.of(engine.gpu);
    const placed = { bench, model, precision: "float32", name: "it" } as const;
    const prompt = Array.from({ length: 40 }, (_, i) => i);
    freeReference(engine, await runReference(engine, prompt, 8, []));
    // Gives back what was kept to be used again.
    assertEquals(await engine.checkRoom!(40, 8), undefined);
    const { used } = memory;
    memory.limit = used + replayBytes(placed, 40, 8);
    assertEquals(await engine.checkRoom!(40, 8), undefined);
    memory.limit--;
    const short = await assertRejects(() => engine.checkRoom!(40, 8), UserError);
    assertMatch(
      short.message,
      /^Beside the model, 40 tokens and 8 steps take about .* of the memory of/,
    );
    // Nothing was kept of what was tried.
    assertEquals(memory.used, used);

    const { live } = bench;
    await assertRejects(
      () => runReference(engine, Array.from({ length: 200 }, () => 1), 80, []),
      UserError,
      "The GPU has no memory left for",
    );
    assertEquals(bench.live, live);
    await engine.close();
  },
});
