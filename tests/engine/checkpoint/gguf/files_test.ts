import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../../errors.ts";
import { openGgufFiles } from "../../../../engine/checkpoint/gguf/files.ts";
import { ggufBytes, type TestValue } from "./gguf_bytes.ts";

/** A part of a model, as `gguf-split` writes it. */
function part(no: number, count: number, names: readonly string[], extra = {}) {
  return ggufBytes({
    metadata: { "split.no": no, "split.count": count, "split.tensors.count": 3, ...extra },
    tensors: names.map((name) => ({ name, shape: [8] })),
  });
}

const [FIRST, SECOND] = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"] as const;

/** A folder with these files, removed with `using`. */
async function folderOf(
  files: Readonly<Record<string, Uint8Array>>,
): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "kvreplay-gguf-" });
  for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(`${path}/${name}`, bytes);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function tensorsOf(path: string): Promise<string[][]> {
  const files = await openGgufFiles(path);
  return files.map(({ header }) => [...header.tensors.keys()]);
}

Deno.test("one file is a model, whatever it is called", async () => {
  await using folder = await folderOf({
    "model.gguf": ggufBytes({ tensors: [{ name: "a", shape: [8] }] }),
    "blob": ggufBytes({ metadata: { "split.count": 1 } }),
    "m-00001-of-00001.gguf": ggufBytes({}),
  });
  assertEquals(await tensorsOf(`${folder.path}/model.gguf`), [["a"]]);
  assertEquals(await tensorsOf(`${folder.path}/blob`), [[]]);
  assertEquals(await tensorsOf(`${folder.path}/m-00001-of-00001.gguf`), [[]]);
});

Deno.test("all parts are opened, in their order, whichever is named", async () => {
  await using folder = await folderOf({
    [FIRST]: part(0, 2, ["a", "b"]),
    [SECOND]: part(1, 2, ["c"]),
  });
  for (const name of [FIRST, SECOND]) {
    assertEquals(await tensorsOf(`${folder.path}/${name}`), [["a", "b"], ["c"]]);
  }
});

Deno.test("parts that do not make one model are refused in one sentence", async (t) => {
  const name = (value: string): Record<string, TestValue> => ({ "general.name": value });
  const cases: Record<string, [Record<string, Uint8Array>, string, string]> = {
    "a missing part": [
      { [FIRST]: part(0, 2, ["a"]) },
      FIRST,
      `${SECOND} does not exist, part 2 of 2 of a model`,
    ],
    "a part under the name of another": [
      { [FIRST]: part(0, 2, ["a"]), [SECOND]: part(0, 2, ["b", "c"]) },
      FIRST,
      `${SECOND} is part 1 of 2 by its metadata, but part 2 of 2 by its name`,
    ],
    "a part of more": [
      { [FIRST]: part(0, 3, ["a"]), [SECOND]: part(1, 2, ["b", "c"]) },
      FIRST,
      `${FIRST} is part 1 of 3 by its metadata, but part 1 of 2 by its name`,
    ],
    "a part under a name of its own": [
      { "model.gguf": part(1, 2, ["b", "c"]) },
      "model.gguf",
      "model.gguf is part 2 of 2 by its metadata, but part 1 of 1 by its name",
    ],
    "a part of a model with more tensors": [
      { [FIRST]: part(0, 2, ["a"]), [SECOND]: part(1, 2, ["b"], { "split.tensors.count": 9 }) },
      FIRST,
      "that has 9 tensors, this one 3",
    ],
    "a part of a model with another name": [
      { [FIRST]: part(0, 2, ["a"], name("x")), [SECOND]: part(1, 2, ["b", "c"], name("y")) },
      FIRST,
      "they name different ones",
    ],
    "too few tensors": [
      { [FIRST]: part(0, 2, ["a"]), [SECOND]: part(1, 2, ["b"]) },
      FIRST,
      `${FIRST} begins hold 2 tensors; its metadata says 3`,
    ],
    "a part beyond the last": [
      {},
      "m-00003-of-00002.gguf",
      "is by its name none of the 2 parts of a model",
    ],
    "no part": [{}, "m-00000-of-00000.gguf", "is by its name none of the 0 parts of a model"],
  };
  for (const [what, [files, named, sentence]] of Object.entries(cases)) {
    await t.step(what, async () => {
      await using folder = await folderOf(files);
      await assertRejects(() => tensorsOf(`${folder.path}/${named}`), UserError, sentence);
    });
  }
});
