/** Weights in a mapped file: the same model, and nothing is left behind. */
import { assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { UserError } from "../../../errors.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { openCpuEngine } from "../../../engine/devices/cpu.ts";
import { temporaryWeights } from "../../../engine/devices/temporary_weights.ts";
import type { WeightsPlace } from "../../../engine/devices/weights_file.ts";
import type { Engine } from "../../../engine/engine.ts";
import { runCausally } from "./causal_run.ts";

const folder = (name: string) =>
  fileURLToPath(new URL(`../../golden/model/${name}`, import.meta.url));

/** Logits of a few tokens; the engine is closed. */
async function logitsOf(engine: Engine): Promise<Float32Array> {
  const { logits } = await runCausally(engine, [1, 2, 3, 5, 8, 13], 3, 3);
  await engine.close();
  return logits;
}

/** Runs `body` with a folder for temporary files of its own. */
async function withTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const name = Deno.build.os === "windows" ? "TEMP" : "TMPDIR";
  const before = Deno.env.get(name);
  const own = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  Deno.env.set(name, own);
  try {
    await body(own);
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
    await Deno.remove(own, { recursive: true });
  }
}

// One of them has a tied head, which is mapped twice.
for (const name of ["wide-heads-f16", "sharded-bf16"]) {
  Deno.test(`${name} computes the same from a file as from buffers, and the file is gone`, async () => {
    await withTemporaryFolder(async (temporary) => {
      const model = await loadModel(folder(name));
      const mapped = await logitsOf(await openCpuEngine(model, undefined, 0));
      assertEquals(mapped, await logitsOf(await openCpuEngine(model, undefined, Infinity)));
      // onnxruntime has files of its own there.
      const left = [...Deno.readDirSync(temporary)].filter(({ name }) => /^kvreplay/.test(name));
      assertEquals(left, []);
    });
  });
}

Deno.test("what a killed program left is removed by the next, and what is in use is not", async () => {
  await withTemporaryFolder(async (temporary) => {
    const blocks = async function* () {
      yield await Promise.resolve(new Uint8Array(10));
    };
    await Deno.mkdir(`${temporary}/kvreplay-weights-left`);
    for (const name of ["held", "weights"]) {
      await Deno.writeFile(`${temporary}/kvreplay-weights-left/${name}`, new Uint8Array(10));
    }
    await using one = (await temporaryWeights.file("a", 10, blocks))!;
    await using other = (await temporaryWeights.file("b", 10, blocks))!;
    const there = [...Deno.readDirSync(temporary)].map(({ name }) =>
      `${temporary}/${name}/weights`
    );
    assertEquals(there.sort(), [one.path, other.path].sort());
  });
});

Deno.test("weights that fail to be read leave no file", async () => {
  await withTemporaryFolder(async (temporary) => {
    const broken = async function* () {
      yield await Promise.resolve(new Uint8Array(10));
      throw new UserError("The model ended while it was read");
    };
    await assertRejects(() => temporaryWeights.file("a", 20, broken), UserError, "ended while");
    assertEquals([...Deno.readDirSync(temporary)], []);
  });
});

Deno.test("a kept file that is gone before it is mapped costs nothing but the file", async () => {
  const model = await loadModel(folder("sharded-bf16"));
  const gone: WeightsPlace = {
    file: () =>
      Promise.resolve({
        path: "/nowhere/weights",
        start: 0,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  const full: WeightsPlace = { file: () => Promise.resolve(undefined) };
  const expected = await logitsOf(await openCpuEngine(model, undefined, Infinity));
  for (const place of [gone, full]) {
    assertEquals(await logitsOf(await openCpuEngine(model, place, 0)), expected);
  }
});

Deno.test({
  name: "a program that may write nothing has its weights in buffers",
  permissions: { read: true, ffi: true },
  fn: async () => {
    const model = await loadModel(folder("sharded-bf16"));
    const logits = await logitsOf(await openCpuEngine(model, undefined, 0));
    assertEquals(logits, await logitsOf(await openCpuEngine(model, undefined, Infinity)));
  },
});
