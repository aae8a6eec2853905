/** From what a user calls a model to where it is. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../../errors.ts";
import { findModel } from "../../../engine/checkpoint/resolve.ts";
import { FetchScene } from "./hub/fetch_scene.ts";
import { WHOLE } from "./hub/repos.ts";

/** Runs `body` in a folder, with this cache. */
async function inside(folder: string, cache: string, body: () => Promise<void>): Promise<void> {
  const before = Deno.cwd();
  const variable = Deno.env.get("HF_HUB_CACHE");
  Deno.chdir(folder);
  Deno.env.set("HF_HUB_CACHE", cache);
  try {
    await body();
  } finally {
    Deno.chdir(before);
    if (variable === undefined) Deno.env.delete("HF_HUB_CACHE");
    else Deno.env.set("HF_HUB_CACHE", variable);
  }
}

Deno.test("a name of the hub is found in its cache, with its repository and commit", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path, commit } = await scene.fetch(WHOLE.name);
  await inside("/", scene.cacheFolder, async () => {
    const hub = { name: WHOLE.name, commit };
    assertEquals(await findModel(WHOLE.name), { path, hub });
    assertEquals(await findModel(`${WHOLE.name}@${commit}`), { path, hub });
    await assertRejects(
      () => findModel(`${WHOLE.name}@v1.0`),
      UserError,
      `The model ${WHOLE.name}@v1.0 is not in the hub's cache at ${scene.cacheFolder}; "deno task fetch ${WHOLE.name}@v1.0" brings it there`,
    );
  });
});

Deno.test("a path that exists wins over a name, of the hub or embedded", async () => {
  await using scene = await FetchScene.open(WHOLE);
  await scene.fetch(WHOLE.name);
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  await Deno.mkdir(`${folder}/${WHOLE.name}`, { recursive: true });
  await inside(folder, scene.cacheFolder, async () => {
    assertEquals(await findModel(WHOLE.name), { path: WHOLE.name });
    assertStringIncludes((await findModel("mini")).path, "models");
    await Deno.mkdir("mini");
    assertEquals(await findModel("mini"), { path: "mini" });
    assertEquals(await findModel("./mini"), { path: "./mini" });
    await assertRejects(() => findModel("./mini-outlier"), UserError, "Unknown model");
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an embedded model needs no variable", async () => {
  const { path, hub } = await findModel("mini");
  assertStringIncludes(path, "mini");
  assertEquals(hub, undefined);
});

Deno.test("a process that may not read the variables is told which ones", async () => {
  const script = `import { findModel } from ${
    JSON.stringify(import.meta.resolve("../../../engine/checkpoint/resolve.ts"))
  };
    await findModel("acme/Wide-0.1B").catch((error) => console.log(error.message));`;
  const run = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      `data:application/javascript,${encodeURIComponent(script)}`,
    ],
  }).output();
  assertStringIncludes(
    new TextDecoder().decode(run.stdout),
    "The variable HF_HUB_CACHE, which says where the hub's files are, may not be read: allow it with --allow-env=HF_HUB_CACHE,HUGGINGFACE_HUB_CACHE,HF_HOME,",
  );
});
