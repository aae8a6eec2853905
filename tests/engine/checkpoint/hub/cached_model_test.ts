/** What is found in the cache without asking the hub. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../../errors.ts";
import { cachedModel } from "../../../../engine/checkpoint/hub/cached_model.ts";
import { parseHubName } from "../../../../engine/checkpoint/hub/name.ts";
import { commitOf } from "./fake_hub.ts";
import { FetchScene } from "./fetch_scene.ts";
import { GGUF, SHARDED, WHOLE } from "./repos.ts";

const ADVICE = "fetch it";

async function assertLacks(scene: FetchScene, name: string, what: string): Promise<void> {
  const { message } = await assertRejects(
    () => cachedModel(parseHubName(name)!, scene.cacheFolder, ADVICE),
    UserError,
  );
  assertEquals(
    message,
    `Of the model ${name} the hub's cache at ${scene.cacheFolder} lacks ${what}; ${ADVICE}`,
  );
}

Deno.test("a model is found by branch, tag and commit, with the commit it stands for", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path, commit } = await scene.fetch(WHOLE.name);
  const find = (name: string) => cachedModel(parseHubName(name)!, scene.cacheFolder, ADVICE);
  const found = { name: WHOLE.name, commit, path };
  assertEquals(await find(WHOLE.name), found);
  assertEquals(await find(`${WHOLE.name}@${commit}`), found);
  await scene.fetch(`${WHOLE.name}@v1.0`);
  assertEquals((await find(`${WHOLE.name}@v1.0`)).commit, commitOf(WHOLE, "v1.0"));
  for (const name of ["acme/None", `${WHOLE.name}@v2`]) {
    const { message } = await assertRejects(() => find(name), UserError);
    assertEquals(
      message,
      `The model ${name} is not in the hub's cache at ${scene.cacheFolder}; ${ADVICE}`,
    );
  }
});

Deno.test("a model of which something is missing is not used", async () => {
  await using scene = await FetchScene.open(WHOLE, SHARDED, GGUF);
  const whole = await scene.fetch(WHOLE.name);
  for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
    const file = `${whole.path}/${name}`;
    const contents = await Deno.realPath(file);
    await Deno.rename(contents, `${contents}.gone`);
    // A link that leads nowhere is no file.
    await assertLacks(scene, WHOLE.name, name);
    await Deno.rename(`${contents}.gone`, contents);
  }
  const sharded = await scene.fetch(SHARDED.name);
  await Deno.remove(`${sharded.path}/model-00002-of-00003.safetensors`);
  await assertLacks(scene, SHARDED.name, "model-00002-of-00003.safetensors");
  const gguf = `${GGUF.name}:q8/wide-q8_0-00001-of-00002.gguf`;
  const { path } = await scene.fetch(gguf);
  await Deno.remove(path.replace("-00001-of", "-00002-of"));
  await assertLacks(scene, gguf, "q8/wide-q8_0-00002-of-00002.gguf");
});

Deno.test("a listing that huggingface_hub left says which other files there should be", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path, commit } = await scene.fetch(WHOLE.name);
  const trees = `${path}/../../trees`;
  await Deno.mkdir(trees);
  const listing = (...names: string[]) =>
    Deno.writeTextFile(
      `${trees}/${commit}.json`,
      JSON.stringify({
        format_version: 1,
        files: Object.fromEntries(names.map((name) => [name, { size: 1, blob_id: "0" }])),
      }),
    );
  const find = () => cachedModel(parseHubName(WHOLE.name)!, scene.cacheFolder, ADVICE);
  await listing("config.json", "generation_config.json", "pytorch_model.bin");
  await find();
  await Deno.remove(`${path}/generation_config.json`);
  await assertLacks(scene, WHOLE.name, "generation_config.json");
  await listing("config.json");
  await find();
  // A listing of another format, or that is damaged, says nothing.
  for (const text of ['{"format_version": 2, "files": ["generation_config.json"]}', "{", "null"]) {
    await Deno.writeTextFile(`${trees}/${commit}.json`, text);
    await find();
  }
});

Deno.test("a ref that holds no commit is none", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path } = await scene.fetch(WHOLE.name);
  for (const text of ["", "main", "../../../etc"]) {
    await Deno.writeTextFile(`${path}/../../refs/main`, text);
    await assertRejects(
      () => cachedModel(parseHubName(WHOLE.name)!, scene.cacheFolder, ADVICE),
      UserError,
      "is not in the hub's cache",
    );
  }
});
