import { assertEquals } from "@std/assert";
import { CacheFolder } from "../../../evaluation/cache/cache_folder.ts";
import { TimesCache } from "../../../evaluation/cache/times_cache.ts";

const KEY = "ab".repeat(32);

Deno.test("times of devices come back, under their key alone", async () => {
  const path = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const cache = new TimesCache(await CacheFolder.open(path), "mini");
    assertEquals(await cache.load(KEY), undefined);
    await cache.save(KEY, { cpu: 0.25, webgpu: 1.5 });
    assertEquals(await cache.load(KEY), { cpu: 0.25, webgpu: 1.5 });
    assertEquals(await cache.load("cd".repeat(32)), undefined);
    // Times that cannot be are as good as none.
    await cache.save(KEY, { cpu: 0, webgpu: 1.5 });
    assertEquals(await cache.load(KEY), undefined);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
