/** A model on a server: read as from a folder, and refused in one sentence. */
import { assertEquals, assertRejects } from "@std/assert";
import { pathToFileURL } from "node:url";
import { UserError } from "../../../errors.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { openModelFile } from "../../../engine/checkpoint/model_file.ts";
import { embeddedFolder } from "../../../engine/checkpoint/resolve.ts";
import { readValues } from "../../../engine/checkpoint/stored_blocks.ts";
import { serveFolder } from "../../served_folder.ts";
import { modelCopy } from "./temporary_folder.ts";

for (const name of ["wide-heads-f16", "sharded-bf16"] as const) {
  Deno.test(`the model ${name} is the same from a server`, async () => {
    await using copy = await modelCopy(name);
    await using server = serveFolder(pathToFileURL(`${copy.path}/`));
    const here = await loadModel(copy.path);
    const there = await loadModel(`http://127.0.0.1:${server.addr.port}`);
    assertEquals(there.hash, here.hash);
    assertEquals([...there.tensors.keys()], [...here.tensors.keys()]);
    for (const [name, tensor] of here.tensors) {
      assertEquals(await readValues(there.tensors.get(name)!), await readValues(tensor));
    }
  });
}

Deno.test("a model that a server lacks, or will not give, is refused in one sentence", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  await using server = serveFolder(pathToFileURL(`${copy.path}/`));
  const at = `http://127.0.0.1:${server.addr.port}`;
  await Deno.remove(`${copy.path}/tokenizer.json`);
  await assertRejects(
    () => loadModel(at),
    UserError,
    `${at}/tokenizer.json does not exist`,
  );
  await using closed = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("", { status: 503 }),
  );
  const there = `http://127.0.0.1:${closed.addr.port}`;
  await assertRejects(
    () => loadModel(there),
    UserError,
    `${there}/config.json cannot be read: its server answers 503`,
  );
  await assertRejects(
    () => loadModel("https://models.invalid/mini"),
    UserError,
    "https://models.invalid/mini/config.json cannot be read: Requires net access",
  );
});

Deno.test("bytes of a file are the same from a server, and none are read beyond its end", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  await using server = serveFolder(pathToFileURL(`${copy.path}/`));
  const path = `${copy.path}/model.safetensors`;
  const whole = await Deno.readFile(path);
  for (const place of [path, `http://127.0.0.1:${server.addr.port}/model.safetensors`]) {
    const file = (await openModelFile(place))!;
    assertEquals(file.size, whole.length);
    assertEquals(await file.read(5, 100), whole.slice(5, 105));
    assertEquals(await file.read(whole.length, 0), new Uint8Array());
    await assertRejects(
      () => file.read(whole.length - 3, 4),
      UserError,
      `${place} ended while it was read`,
    );
  }
});

Deno.test("a file that has become another one is not read as the first", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  const path = `${copy.path}/model.safetensors`;
  const file = (await openModelFile(path))!;
  await Deno.writeFile(`${path}.new`, await Deno.readFile(path));
  await Deno.rename(`${path}.new`, path);
  await assertRejects(
    () => file.read(0, 8),
    UserError,
    `${path} has become another file since it was first read`,
  );
});

Deno.test("an embedded model that did not come along is told how to get", async () => {
  await using copy = await modelCopy("wide-heads-f16");
  const folder = pathToFileURL(`${copy.path}/`);
  await using server = serveFolder(folder);
  for (const models of [folder, new URL(`http://127.0.0.1:${server.addr.port}/`)]) {
    await assertRejects(
      () => embeddedFolder("mini-outlier", models),
      UserError,
      'the published package holds only "mini", so clone the repository or take the binary to have it',
    );
  }
});
