/** Calibrations on disk, through the calibrator that asks for them. */
import { assert, assertEquals } from "@std/assert";
import { Calibrator } from "../../../calibration/calibrator.ts";
import { CacheFolder } from "../../../evaluation/cache/cache_folder.ts";
import { CalibrationCache } from "../../../evaluation/cache/calibration_cache.ts";
import { entriesIn } from "../../../evaluation/cache/entry_places.ts";
import { builtInFamilies } from "../../../quant/registry.ts";
import { SyntheticEngine } from "../../engine/synthetic_engine.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

/** Learns statistics in a folder; the result, and how often the model ran for them. */
async function learn(folder: string, ids: readonly number[], notices: string[] = []) {
  const engine = new SyntheticEngine();
  const cache = await CacheFolder.open(folder, { notice: (sentence) => notices.push(sentence) });
  const { value } = await new Calibrator({
    families: builtInFamilies,
    engine,
    samples: [{ ids, reply: 1 }],
    store: new CalibrationCache(cache, { model: "synthetic", device: "cpu" }),
  }).statistics();
  return { value, runs: engine.runs };
}

Deno.test("what was learned is read from disk the second time, and is the same", async () => {
  await inTemporaryFolder(async (folder) => {
    const first = await learn(folder, [1, 2, 3, 4, 5]);
    assert(first.runs > 0);
    assertEquals(await learn(folder, [1, 2, 3, 4, 5]), { ...first, runs: 0 });
  });
});

Deno.test("a damaged entry and another set's under this one's name are learned again", async () => {
  await inTemporaryFolder(async (folder) => {
    const ids = [1, 2, 3, 4, 5];
    const first = await learn(folder, ids);
    const [own] = entriesIn(folder);
    await learn(folder, [9, 8, 7]);
    const other = entriesIn(folder).find(({ path }) => path !== own!.path)!;
    const spoil: (() => Promise<void>)[] = [
      async () => {
        const text = await Deno.readTextFile(own!.path);
        await Deno.writeTextFile(own!.path, text.replace("tokens", "tokenz"));
      },
      () => Deno.copyFile(other.path, own!.path),
      () => Deno.truncate(own!.path, 100),
    ];
    for (const damage of spoil) {
      await damage();
      const notices: string[] = [];
      assertEquals(await learn(folder, ids, notices), first);
      assertEquals(notices.length, 1);
      assertEquals((await learn(folder, ids, notices)).runs, 0);
    }
  });
});
