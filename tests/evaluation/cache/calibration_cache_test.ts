/** Calibrations on disk, through the calibrator that asks for them. */
import { assert, assertEquals } from "@std/assert";
import { Calibrator } from "../../../calibration/calibrator.ts";
import { CacheFolder } from "../../../evaluation/cache/cache_folder.ts";
import { CalibrationCache } from "../../../evaluation/cache/calibration_cache.ts";
import { entriesIn } from "../../../evaluation/cache/entry_places.ts";
import { KV_KINDS } from "../../../quant/family.ts";
import { transform } from "../../../quant/families/transform/transform.ts";
import { builtInFamilies } from "../../../quant/registry.ts";
import { settingsFor } from "../../../quant/settings_for.ts";
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
        const bytes = await Deno.readFile(own!.path);
        bytes[bytes.length - 100]! ^= 1;
        await Deno.writeFile(own!.path, bytes);
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

Deno.test("a file of another model under this one's name is refused and made anew", async () => {
  await inTemporaryFolder(async (folder) => {
    const ids = [1, 2, 3, 4, 5];
    const first = await learn(folder, ids);
    const [own] = entriesIn(folder);
    // A model of another name and shape, whose file is put in the place of this one's.
    const engine = new SyntheticEngine({ layers: 3 });
    const other = Object.assign(engine, { fingerprint: "another" });
    const place = await Deno.makeTempDir({ dir: folder });
    await new Calibrator({
      families: builtInFamilies,
      engine: other,
      samples: [{ ids, reply: 1 }],
      store: new CalibrationCache(await CacheFolder.open(place), { model: "b", device: "cpu" }),
    }).statistics();
    const [foreign] = entriesIn(place);
    await Deno.copyFile(foreign!.path, own!.path);
    const notices: string[] = [];
    assertEquals(await learn(folder, ids, notices), first);
    assertEquals(notices.length, 1);
    assertEquals(await learn(folder, ids), { ...first, runs: 0 });
  });
});

Deno.test("a family's calibrations of a model are one file, about as long as what they hold", async () => {
  await inTemporaryFolder(async (folder) => {
    const engine = new SyntheticEngine();
    const { layers, kvHeads: heads, headDim } = engine.shape;
    const calibrator = new Calibrator({
      families: builtInFamilies,
      engine,
      samples: [{ ids: [1, 2, 3, 4, 5, 6, 7, 8], reply: 1 }],
      store: new CalibrationCache(await CacheFolder.open(folder), { model: "a", device: "cpu" }),
    });
    let held = 0;
    for (let layer = 0; layer < layers; layer++) {
      for (const kind of KV_KINDS) {
        const settings = settingsFor(transform, {
          layer,
          kind,
          bits: [4, 4],
          axis: "token",
          residualLength: layer,
          calibrationMode: "offline",
        }, { heads, headDim });
        const { value } = await calibrator.family(settings);
        for (const { byteLength } of Object.values(value)) held += byteLength;
        await calibrator.keep();
      }
    }
    const entries = entriesIn(folder);
    assertEquals(entries.map(({ kind }) => kind), ["calibrations"]);
    const names = 700 * layers * KV_KINDS.length;
    assert(entries[0]!.bytes < held + names + 1000, `${entries[0]!.bytes} bytes for ${held}`);
  });
});
