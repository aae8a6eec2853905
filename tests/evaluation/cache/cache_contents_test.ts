/** What a cache holds: listed, verified, cleared. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CacheError } from "../../../evaluation/cache/cache_error.ts";
import { CacheFolder } from "../../../evaluation/cache/cache_folder.ts";
import { cacheRows, clearCache, verifyCache } from "../../../evaluation/cache/cache_contents.ts";
import type { EntryKind } from "../../../evaluation/cache/entry_file.ts";
import { entriesIn, entryPath } from "../../../evaluation/cache/entry_places.ts";
import { strangers } from "./strangers.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

type Sample = [kind: EntryKind, key: string, model: string, device: string, used: number];

const samples: readonly Sample[] = [
  ["references", "a", "mini", "cpu", 1000],
  ["references", "b", "mini", "cpu", 3000],
  ["calibrations", "c", "mini", "cpu", 2000],
  ["references", "d", "mini", "webgpu", 500],
  ["weights", "w", "mini", "cpu", 100],
  ["references", "e", "/models/qwen", "cpu", 4000],
];

async function filled(body: (folder: string) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const cache = await CacheFolder.open(folder);
    for (const [kind, key, model, device, used] of samples) {
      const payload = new TextEncoder().encode(key.repeat(100));
      const header = { kind, key, model, device, payloadBytes: payload.length, facts: {} };
      await cache.write(header, [payload]);
      await Deno.utime(entryPath(folder, kind, key), used, used);
    }
    await body(folder);
  });
}

Deno.test("rows add up what is kept per model and device, last used first", async () => {
  await filled(async (folder) => {
    await Deno.writeTextFile(entryPath(folder, "references", "f"), "no entry");
    await Deno.utime(entryPath(folder, "references", "f"), 1, 1);
    const rows = await cacheRows(folder);
    assertEquals(
      rows.map(({ model, device, references, calibrations, weights, used }) => [
        model,
        device,
        references,
        calibrations,
        weights,
        used,
      ]),
      [
        ["/models/qwen", "cpu", 1, 0, 0, 4_000_000],
        ["mini", "cpu", 2, 1, 1, 3_000_000],
        ["mini", "webgpu", 1, 0, 0, 500_000],
        [undefined, undefined, 1, 0, 0, 1000],
      ],
    );
    const sum = (items: readonly { bytes: number }[]) => items.reduce((s, i) => s + i.bytes, 0);
    assertEquals(sum(rows), sum(entriesIn(folder)));
  });
});

Deno.test("verifying removes what is not as it was written, and says why", async () => {
  await filled(async (folder) => {
    assertEquals(await verifyCache(folder), { sound: 6, damaged: [], stuck: [] });
    const a = entryPath(folder, "references", "a");
    await Deno.truncate(a, 250);
    await Deno.copyFile(entryPath(folder, "references", "d"), entryPath(folder, "references", "g"));
    await Deno.writeTextFile(`${folder}/unfinished/left`, "half");
    const done: number[] = [];
    const { sound, damaged } = await verifyCache(folder, (i) => done.push(i));
    assertEquals([sound, damaged.length, done], [5, 2, [0, 1, 2, 3, 4, 5, 6]]);
    const said = damaged.toSorted().join("\n");
    assertStringIncludes(said, `"${a}" has 250 bytes; expected`);
    assertStringIncludes(said, `g.kvcache" is not what its name says`);
    assertEquals(await verifyCache(folder), { sound: 5, damaged: [], stuck: [] });
    assertEquals([...Deno.readDirSync(`${folder}/unfinished`)], []);
  });
});

Deno.test("clearing takes one model's entries or all, and no file of anyone else's", async () => {
  await filled(async (folder) => {
    const others = [`${folder}/notes.txt`, `${folder}/references/notes.txt`];
    for (const path of others) await Deno.writeTextFile(path, "mine");
    await Deno.symlink(others[0]!, entryPath(folder, "references", "link"));
    assertEquals((await clearCache(folder, "nobody")).entries, 0);
    const { entries, bytes } = await clearCache(folder, "mini");
    assertEquals([entries, bytes > 5 * 100], [5, true]);
    assertEquals((await cacheRows(folder)).map(({ model }) => model), [undefined, "/models/qwen"]);
    // What is left of it, and a link that has an entry's name, not what it leads to.
    assertEquals((await clearCache(folder)).entries, 2);
    assertEquals(entriesIn(folder), []);
    for (const path of others) assertEquals(await Deno.readTextFile(path), "mine");
  });
});

Deno.test("a cache that nobody has made yet is empty", async () => {
  await inTemporaryFolder(async (folder) => {
    const none = `${folder}/none`;
    assertEquals(await cacheRows(none), []);
    assertEquals(await verifyCache(none), { sound: 0, damaged: [], stuck: [] });
    assertEquals(await clearCache(none), { entries: 0, bytes: 0, stuck: [] });
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("what has an entry's name and is none is told, and leaves without what it leads to", async () => {
  for (const [what, make] of Object.entries(strangers)) {
    await filled(async (folder) => {
      const path = entryPath(folder, "references", "a");
      await Deno.remove(path);
      await make(path);
      assertEquals((await cacheRows(folder)).some(({ model }) => model === undefined), true, what);
      const { sound, damaged, stuck } = await verifyCache(folder);
      assertEquals([sound, damaged], [5, [`Entry "${path}" is no file`]], what);
      if (what === "a folder that holds something") {
        assertStringIncludes(stuck[0]!, `Entry "${path}" cannot be removed: Directory not empty`);
        assertEquals(await Deno.readTextFile(`${path}/mine`), "mine");
        assertEquals((await clearCache(folder)).stuck, stuck);
        assertEquals(await Deno.readTextFile(`${path}/mine`), "mine");
        return;
      }
      assertEquals([stuck, await verifyCache(folder)], [[], { sound: 5, damaged: [], stuck: [] }]);
    });
  }
});

Deno.test("a part of the cache that cannot be read is one sentence", async () => {
  for (const part of ["references", "weights", "unfinished"]) {
    await filled(async (folder) => {
      await Deno.remove(`${folder}/${part}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/${part}`, "");
      for (const look of [verifyCache, clearCache]) {
        await assertRejects(
          () => look(folder),
          CacheError,
          `Part of the cache, "${folder}/${part}", cannot be read: it is no folder`,
        );
      }
    });
  }
});
