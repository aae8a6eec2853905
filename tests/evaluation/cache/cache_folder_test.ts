/** The folder: what is kept, what leaves, and what may lie there. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { CacheError } from "../../../evaluation/cache/cache_error.ts";
import { CacheFolder, type CacheOptions } from "../../../evaluation/cache/cache_folder.ts";
import { entryBytes, type EntryHeader } from "../../../evaluation/cache/entry_file.ts";
import { entriesIn, entryPath } from "../../../evaluation/cache/entry_places.ts";
import prettyBytes from "pretty-bytes";
import { strangers } from "./strangers.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const SIZE = 1000;

function header(key: string, payloadBytes = SIZE): EntryHeader {
  return { kind: "references", key, model: "mini", device: "cpu", payloadBytes, facts: {} };
}

/** A payload that only its key has. */
function payload(key: string, bytes = SIZE): Uint8Array {
  return new Uint8Array(bytes).map((_, i) => key.charCodeAt(i % key.length) + i);
}

const save = (cache: CacheFolder, key: string, since?: number) =>
  cache.write(header(key), [payload(key)], since);

const load = (cache: CacheFolder, key: string) =>
  cache.read("references", key, () => true, (entry) => entry.payload);

/** Bytes that `count` entries with keys of one letter take. */
const room = (count: number) => count * entryBytes(header("a"));

/** Says when an entry was last used, in seconds since 1970. */
async function usedAt(folder: string, key: string, seconds: number): Promise<void> {
  await Deno.utime(entryPath(folder, "references", key), seconds, seconds);
}

const keysIn = (folder: string) =>
  entriesIn(folder).map(({ path }) => path.slice(path.lastIndexOf("/") + 1, -".kvcache".length))
    .sort().join("");

async function inCache(
  options: CacheOptions,
  body: (cache: CacheFolder, folder: string, notices: string[]) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const notices: string[] = [];
    const notice = (sentence: string) => notices.push(sentence);
    await body(await CacheFolder.open(folder, { ...options, notice }), folder, notices);
  });
}

Deno.test("what is written is read, once more after a new start, and only under its key", async () => {
  await inCache({}, async (cache, folder, notices) => {
    assert(!await cache.has("references", "a"));
    assert(await save(cache, "a"));
    assert(await cache.has("references", "a"));
    assert(!await cache.has("calibrations", "a"));
    for (const reader of [cache, await CacheFolder.open(folder)]) {
      assertEquals(new Uint8Array((await load(reader, "a"))!), payload("a"));
    }
    assertEquals(await load(cache, "b"), undefined);
    await save(cache, "a");
    assertEquals(keysIn(folder), "a");
    assertEquals([...Deno.readDirSync(`${folder}/unfinished`)], []);
    assertEquals(notices, []);
  });
});

Deno.test("who was used least recently leaves first, and reading counts as use", async () => {
  await inCache({ limit: room(3) }, async (cache, folder) => {
    for (const [i, key] of ["a", "b", "c"].entries()) {
      await save(cache, key);
      await usedAt(folder, key, 1000 + i);
    }
    assert(await load(cache, "a") !== undefined);
    await save(cache, "d");
    assertEquals(keysIn(folder), "acd");
    // Written once more, an entry takes no second room.
    await save(cache, "a");
    assertEquals(keysIn(folder), "acd");
    await save(cache, "e");
    assertEquals(keysIn(folder), "ade");
  });
});

Deno.test("what a run has used does not leave for what it uses later", async () => {
  await inCache({ limit: room(2) }, async (cache, folder, notices) => {
    await save(cache, "z");
    await usedAt(folder, "z", 1000);
    const since = Date.now() - 1000;
    const written = [];
    for (const key of ["a", "b", "c"]) written.push(await save(cache, key, since));
    assertEquals(written, [true, true, false]);
    assertEquals(keysIn(folder), "ab");
    assertEquals(notices.length, 1);
    assertStringIncludes(
      notices[0]!,
      `${folder} may hold ${prettyBytes(room(2), { binary: true })}`,
    );
    await save(cache, "d", since);
    assertEquals(notices.length, 1, "told once");
  });
});

Deno.test("the limit holds for what others write, and for what is larger than all of it", async () => {
  await inCache({ limit: room(3) }, async (cache, folder) => {
    const other = await CacheFolder.open(folder, { limit: room(3) });
    for (const key of "abcdefgh") {
      await save(cache, key);
      await save(other, key.toUpperCase());
    }
    assertEquals(entriesIn(folder).length, 3);
    const large = header("x", 4 * SIZE);
    assert(!await cache.write(large, [payload("x", 4 * SIZE)]));
    assertEquals(entriesIn(folder).length, 3, "nothing leaves for what cannot fit");
    const [first, ...others] = keysIn(folder);
    await usedAt(folder, first!, 1000);
    await CacheFolder.open(folder, { limit: room(2) });
    assertEquals(keysIn(folder), others.join(""), "a lower limit holds at once");
  });
});

Deno.test("a full disk is told before the work, and takes from the cache before anything else", async () => {
  const reserve = 256 * 2 ** 20;
  let free = reserve + room(10);
  await inCache({ free: () => Promise.resolve(free) }, async (cache, folder, notices) => {
    assertEquals(await cache.shortage(room(10)), undefined);
    const told = await cache.shortage(room(11));
    assertStringIncludes(
      told!,
      `${folder} has 256 MiB free, and up to ${prettyBytes(room(11), { binary: true })}`,
    );
    await save(cache, "a");
    await usedAt(folder, "a", 1000);
    await save(cache, "b");
    await usedAt(folder, "b", 1001);
    free = reserve;
    assert(await save(cache, "c"));
    assertEquals(keysIn(folder), "bc");
    free = 0;
    assert(!await save(cache, "d"));
    assertEquals([keysIn(folder), notices], ["bc", []], "told before");
    assertStringIncludes((await cache.shortage(1))!, "has 0 B free");
  });
});

Deno.test("the limit bounds what a disk must have room for", async () => {
  const free = () => Promise.resolve(256 * 2 ** 20 + room(2));
  await inCache({ free, limit: room(3) }, async (cache) => {
    assertStringIncludes(
      (await cache.shortage(room(9)))!,
      `up to ${prettyBytes(room(3), { binary: true })}`,
    );
    await save(cache, "a");
    assertEquals(await cache.shortage(room(9)), undefined, "two more may come, and two fit");
  });
});

Deno.test("an entry under another's name, a changed one and what is no file are made anew", async () => {
  const spoilt: Record<string, (path: string, other: string) => Promise<unknown>> = {
    "another's": (path, other) => Deno.copyFile(other, path),
    "changed": async (path, other) => {
      const bytes = await Deno.readFile(other);
      bytes[bytes.length - 100]!++;
      await Deno.writeFile(path, bytes);
    },
    "empty": (path) => Deno.writeFile(path, new Uint8Array()),
    "a link to an entry": (path, other) => Deno.symlink(other, path),
    ...strangers,
  };
  for (const [what, spoil] of Object.entries(spoilt)) {
    await inCache({}, async (cache, folder, notices) => {
      await save(cache, "b");
      const path = entryPath(folder, "references", "a");
      await spoil(path, entryPath(folder, "references", "b"));
      assertEquals(await load(cache, "a"), undefined, what);
      assertEquals(await load(cache, "a"), undefined, what);
      assertEquals(notices.length, 1, what);
      assertStringIncludes(notices[0]!, "is not what was kept there; it is made anew");
      assertEquals(await cache.locate("references", "a", SIZE), undefined, what);
      // What a folder holds is not taken away; everything else gives way to the entry.
      const isKept = what !== "a folder that holds something";
      assertEquals(await save(cache, "a"), isKept, what);
      assertEquals(await load(cache, "a") !== undefined, isKept, what);
      assertEquals(await cache.locate("references", "a", SIZE) !== undefined, isKept, what);
      assertEquals(new Uint8Array((await load(cache, "b"))!), payload("b"), what);
    });
  }
});

Deno.test("what is kept is not what is asked for when header or payload say otherwise", async () => {
  await inCache({}, async (cache, _folder, notices) => {
    await save(cache, "a");
    const refuse = () => false;
    assertEquals(await cache.read("references", "a", refuse, () => 1), undefined);
    assertEquals(await cache.read("references", "a", () => true, () => undefined), undefined);
    assertEquals(
      await cache.read("references", "a", () => true, () => {
        throw new RangeError("no");
      }),
      undefined,
    );
    assertEquals(notices.length, 1);
    assertEquals(await cache.read("references", "a", () => true, () => 7), 7);
  });
});

Deno.test("what a killed process left unfinished is removed, what a living one writes is not", async () => {
  await inCache({}, async (cache, folder) => {
    const left = `${folder}/unfinished/left`;
    await Deno.writeTextFile(left, "half an entry");
    let during: string[] = [];
    async function* blocks() {
      // Another process looks while this entry is half written.
      await CacheFolder.open(folder);
      during = [...Deno.readDirSync(`${folder}/unfinished`)].map(({ name }) => name);
      yield payload("a");
    }
    assert(await cache.write(header("a"), blocks()));
    assertEquals(during.length, 1);
    assert(!during.includes("left"));
    assert(await load(cache, "a") !== undefined);
  });
});

Deno.test("a payload that fails ends the run, and leaves nothing behind", async () => {
  await inCache({}, async (cache, folder, notices) => {
    const blocks = function* () {
      yield payload("a").subarray(0, 10);
      throw new RangeError("the device is lost");
    };
    await assertRejects(() => cache.write(header("a"), blocks()), RangeError, "device is lost");
    assertEquals([...Deno.readDirSync(`${folder}/unfinished`)], []);
    assertEquals([keysIn(folder), notices], ["", []]);
  });
});

Deno.test("a folder that was cleared while it is open is made again", async () => {
  await inTemporaryFolder(async (folder) => {
    const cache = await CacheFolder.open(`${folder}/cache`);
    await Deno.remove(`${folder}/cache`, { recursive: true });
    assertEquals(await load(cache, "a"), undefined);
    assertEquals(await cache.shortage(0), undefined);
    assert(await save(cache, "a"));
    assert(await load(cache, "a") !== undefined);
  });
});

Deno.test("a place that cannot hold a cache is refused in one sentence", async () => {
  await inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    for (const place of ["file", "file/below"]) {
      await assertRejects(
        () => CacheFolder.open(`${folder}/${place}`),
        CacheError,
        `Nothing can be kept in "${folder}/${place}": a file is in the way; expected a folder`,
      );
    }
  });
});

Deno.test("many at once read what was written or nothing, while entries leave", async () => {
  await inTemporaryFolder(async (folder) => {
    const step = fc.record({
      who: fc.nat(3),
      key: fc.constantFrom(..."abcdefgh"),
      writes: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), async (steps) => {
        const notices: string[] = [];
        const caches = await Promise.all(
          Array.from({ length: 4 }, () =>
            CacheFolder.open(folder, {
              limit: room(3),
              notice: (sentence) => notices.push(sentence),
            })),
        );
        await Promise.all(steps.map(async ({ who, key, writes }) => {
          if (writes) return void await save(caches[who]!, key);
          const found = await load(caches[who]!, key);
          if (found !== undefined) assertEquals(new Uint8Array(found), payload(key));
        }));
        assertEquals(notices, []);
        assertEquals([...Deno.readDirSync(`${folder}/unfinished`)], []);
      }),
      { numRuns: 30 },
    );
  });
});
