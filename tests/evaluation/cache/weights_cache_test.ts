/** Weights that are kept as a session maps them. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { CacheFolder, type CacheOptions } from "../../../evaluation/cache/cache_folder.ts";
import { entriesIn } from "../../../evaluation/cache/entry_places.ts";
import { WeightsCache } from "../../../evaluation/cache/weights_cache.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const WEIGHTS = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);

/** What a file holds that is asked for, and whether it had to be made; undefined without one. */
async function ask(folder: string, options: CacheOptions = {}, key = "key", weights = WEIGHTS) {
  const cache = new WeightsCache(await CacheFolder.open(folder, options), "mini");
  let made = false;
  await using file = await cache.file(key, weights.length, async function* () {
    made = true;
    yield weights.subarray(0, 1000);
    yield await Promise.resolve(weights.subarray(1000));
  });
  if (file === undefined) return undefined;
  assertEquals(file.start % 64, 0);
  const bytes = await Deno.readFile(file.path);
  return { made, bytes: bytes.subarray(file.start, file.start + weights.length) };
}

Deno.test("weights are written once, and stay", async () => {
  await inTemporaryFolder(async (folder) => {
    assertEquals(await ask(folder), { made: true, bytes: WEIGHTS });
    assertEquals(await ask(folder), { made: false, bytes: WEIGHTS });
    assertEquals(entriesIn(folder).length, 1);
    assertEquals((await ask(folder, {}, "other"))!.made, true);
  });
});

Deno.test("a file of another length is made anew, and that is said", async () => {
  await inTemporaryFolder(async (folder) => {
    await ask(folder);
    const notices: string[] = [];
    const options = { notice: (sentence: string) => notices.push(sentence) };
    await Deno.truncate(entriesIn(folder)[0]!.path, 3000);
    assertEquals(await ask(folder, options), { made: true, bytes: WEIGHTS });
    const longer = new Uint8Array(6000);
    assertEquals(await ask(folder, options, "key", longer), { made: true, bytes: longer });
    assertEquals(notices.length, 2);
  });
});

Deno.test("weights that are not what was written are made anew", async () => {
  await inTemporaryFolder(async (folder) => {
    await ask(folder);
    const { path } = entriesIn(folder)[0]!;
    const good = await Deno.readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * (good.length - 32) - 1), async (bit) => {
        const bad = good.slice();
        bad[bit >> 3]! ^= 1 << (bit & 7);
        await Deno.writeFile(path, bad);
        assertEquals(await ask(folder), { made: true, bytes: WEIGHTS });
      }),
      { numRuns: 40 },
    );
  });
});

Deno.test("weights that the limit has no room for are not kept", async () => {
  await inTemporaryFolder(async (folder) => {
    assertEquals(await ask(folder, { limit: 4000 }), undefined);
    assertEquals(entriesIn(folder), []);
  });
});

Deno.test("what a killed process had begun to write is not used", async () => {
  await inTemporaryFolder(async (folder) => {
    const url = (path: string) => JSON.stringify(import.meta.resolve(path));
    const script = `
      import { CacheFolder } from ${url("../../../evaluation/cache/cache_folder.ts")};
      import { WeightsCache } from ${url("../../../evaluation/cache/weights_cache.ts")};
      const cache = new WeightsCache(await CacheFolder.open(Deno.args[0]), "mini");
      await cache.file("key", 5000, async function* () {
        yield new Uint8Array(4000);
        console.log("half");
        await new Promise(() => setInterval(() => {}, 1000));
      });`;
    await Deno.writeTextFile(`${folder}/script.ts`, script);
    const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--no-prompt",
        "--config",
        config,
        "-P=replay",
        `${folder}/script.ts`,
        folder,
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const { value } = await child.stdout.getReader().read();
    assertNotEquals(value, undefined);
    child.kill("SIGKILL");
    await child.status;
    assertEquals(entriesIn(folder), []);
    assert([...Deno.readDirSync(`${folder}/unfinished`)].length > 0);
    assertEquals(await ask(folder), { made: true, bytes: WEIGHTS });
  });
});
