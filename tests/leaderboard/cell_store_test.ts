import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { cellFileName, type CellKey } from "../../leaderboard/cell.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { sampleCell } from "./sample_board.ts";

async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const cell = sampleCell("mini", "needle", "kivi_overlap_4bit");

Deno.test("a finished cell comes back as it was, and nothing else is left", () =>
  inFolder(async (folder) => {
    const store = new CellStore(`${folder}/cells`);
    assertEquals(await store.load(cell.key), undefined);
    await store.save(cell);
    assertEquals(await store.load(cell.key), cell);
    const names = [...Deno.readDirSync(`${folder}/cells`)].map((e) => e.name);
    assertEquals(names, [await cellFileName(cell.key)]);
    await store.remove(cell.key);
    await store.remove(cell.key);
    assertEquals(await store.load(cell.key), undefined);
  }));

Deno.test("every part of the key makes another cell", () =>
  inFolder(async (folder) => {
    const store = new CellStore(folder);
    await store.save(cell);
    const changes: Record<keyof CellKey, CellKey[keyof CellKey]> = {
      contract: "2.0",
      model: "mini-outlier",
      model_hash: "0",
      slice: "longbench",
      slice_hash: "0",
      policy: "adaptive",
      source_hash: "0",
      engine: "webgpu",
      budget_bits: 3,
      max_new_tokens: 1,
      limit: 2,
      seed: 2,
    };
    for (const [field, value] of Object.entries(changes)) {
      const other = { ...cell.key, [field]: value } as CellKey;
      assertNotEquals(await cellFileName(other), await cellFileName(cell.key), field);
      assertEquals(await store.load(other), undefined, field);
    }
  }));

Deno.test("a damaged or foreign file is no finished cell", () =>
  inFolder(async (folder) => {
    const store = new CellStore(folder);
    await store.save(cell);
    const path = `${folder}/${await cellFileName(cell.key)}`;
    const whole = await Deno.readTextFile(path);
    const otherKey = { ...cell, key: { ...cell.key, seed: 99 } };
    for (
      const damaged of [
        "",
        "null",
        "[]",
        whole.slice(0, whole.length / 2),
        whole.replace("kvreplay cell 1", "kvreplay cell 0"),
        whole.replace(/"quality_main":[\d.]+/, '"quality_main":null'),
        whole.replace(/"kl":[\d.e-]+/, '"kl":"x"'),
        JSON.stringify({ format: "kvreplay cell 1", ...otherKey }),
        JSON.stringify({ format: "kvreplay cell 1", ...cell, examples: cell.examples.slice(1) }),
      ]
    ) {
      assert(damaged !== whole);
      await Deno.writeTextFile(path, damaged);
      assertEquals(await store.load(cell.key), undefined, damaged.slice(0, 80));
    }
  }));

Deno.test("a cell keeps the commit of its model; one from before models had one still counts", () =>
  inFolder(async (folder) => {
    const store = new CellStore(folder);
    const ofHub = { ...cell, model_hub: { name: "acme/Wide-0.1B", commit: "4".repeat(40) } };
    await store.save(ofHub);
    assertEquals(await store.load(cell.key), ofHub);
    const { model_hub: _, ...older } = cell;
    const path = `${folder}/${await cellFileName(cell.key)}`;
    await Deno.writeTextFile(path, JSON.stringify({ format: "kvreplay cell 1", ...older }));
    assertEquals(await store.load(cell.key), cell);
  }));

Deno.test("names that are no file names stay in the folder", async () => {
  const name = await cellFileName({ ...cell.key, model: "../../etc/pass wd", policy: "./my.ts" });
  assert(/^[\w.-]+$/.test(name) && !name.includes(".."), name);
});
