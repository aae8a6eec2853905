import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { cellFileName, type CellKey } from "../../leaderboard/cell.ts";
import { readCell, writeCell } from "../../leaderboard/cell_file.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { summarize } from "../../replay/metric.ts";
import { metricFields } from "../../report/metric_fields.ts";
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
      calibration_set: "0",
    };
    for (const [field, value] of Object.entries(changes)) {
      const other = { ...cell.key, [field]: value } as CellKey;
      assertNotEquals(await cellFileName(other), await cellFileName(cell.key), field);
      assertEquals(await store.load(other), undefined, field);
    }
  }));

/** A cell's file with something changed, under a hash of its own if asked for. */
async function changed(change: (cell: Any) => void, hashed: boolean): Promise<string> {
  const content = structuredClone(cell) as Any;
  change(content);
  if (hashed) return await writeCell(content);
  const { sha256 } = JSON.parse(await writeCell(cell));
  return JSON.stringify({ format: "kvreplay cell 3", sha256, ...content });
}

// deno-lint-ignore no-explicit-any -- files hold anything
type Any = any;

/** What a store says of a file. */
async function told(text: string): Promise<string[]> {
  const notices: string[] = [];
  await inFolder(async (folder) => {
    const store = new CellStore(folder, (sentence) => notices.push(sentence));
    await Deno.writeTextFile(`${folder}/${await cellFileName(cell.key)}`, text);
    assertEquals(await store.load(cell.key), undefined, text.slice(0, 80));
  });
  return notices;
}

Deno.test("a damaged or foreign file is no finished cell, in one sentence", async () => {
  const whole = await writeCell(cell);
  for (
    const [text, sentence] of [
      ["", /is not JSON/],
      ["[".repeat(1e5), /is not JSON/],
      ["null", /holds null; expected an object/],
      ["[]", /holds \[\]; expected an object/],
      [whole.slice(0, whole.length / 2), /is not JSON/],
      [whole.replace("kvreplay cell 3", "other"), /has the format "other"; expected/],
      [await changed((c) => c.key.seed = 99, true), /has a key that does not give this name/],
      [await changed((c) => delete c.key, true), /has no key/],
      [await changed((c) => delete c.environment.machine, true), /where and when it was run/],
      [await changed((c) => c.environment.seconds = 13, false), /its SHA-256 is of something else/],
    ] as const
  ) {
    const [notice, ...more] = await told(text);
    assertMatch(notice!, /^Cell [\w.-]+ [^\n]+; it is run again$/);
    assertMatch(notice!, sentence);
    assertEquals(more, []);
  }
});

Deno.test("totals that are not those of the steps are found, whatever the hash says", async () => {
  for (
    const field of metricFields.filter((field) =>
      ![
        "quality_delta_vs_ref",
        "calibration_cost_s",
        "examples_left_out",
        "constants_mb",
        "break_even_tokens",
      ].includes(field)
    )
  ) {
    const edited = await changed((c) => c.numbers[field] += 1, true);
    const [notice] = await told(edited);
    assertMatch(notice!, new RegExp(`has [\\d.]+ for ${field}, but its steps give [\\d.]+;`));
  }
  const [notice] = await told(await changed((c) => c.examples[3].steps[1].kl += 1, true));
  assertMatch(notice!, /for quality_main, but its steps give/);
});

Deno.test("steps of a text are evenly spaced, those of an answer follow each other", async () => {
  // deno-lint-ignore no-explicit-any -- changed in place
  const spaced = (dataset: string, places: (i: number) => number) => (c: any) => {
    const [example] = c.examples.filter((e: Any) => e.steps.length > 2);
    example.dataset = dataset;
    // deno-lint-ignore no-explicit-any -- changed in place
    example.steps.forEach((step: any, i: number) => step.step = places(i));
  };
  const text = await changed(spaced("text", (i) => 16 * i), true);
  assertEquals((await readCell(text, "cell", cell.key)).key, cell.key);
  for (
    const change of [
      spaced("text", () => 0),
      spaced("text", (i) => i === 2 ? 33 : 16 * i),
      spaced("text", (i) => -i),
      spaced("qa", (i) => 16 * i),
    ]
  ) {
    const [notice] = await told(await changed(change, true));
    assertMatch(notice!, /an impossible example ".+": its step \d+ is \{/);
  }
});

Deno.test("impossible values are found, whatever the totals and the hash say", async () => {
  /** A change of the examples whose totals are worked out again. */
  const worked = (change: (examples: Any) => void) =>
    changed((c) => {
      change(c.examples);
      Object.assign(c.numbers, summarize(c.examples));
    }, true);
  const step = (values: Any) => worked((examples) => Object.assign(examples[0].steps[0], values));
  const everyStep = (values: Any) =>
    worked((examples) =>
      examples.forEach(({ steps }: Any) => steps.forEach((s: Any) => Object.assign(s, values)))
    );
  for (
    const text of [
      await everyStep({ bytes: 0, elements: 0 }),
      await step({ bytes: 0 }),
      await step({ bytes: -1 }),
      await step({ bytes: 1.5 }),
      await step({ bytes: 1e300 }),
      await step({ elements: "NaN" }),
      await step({ kl: "NaN" }),
      await step({ kl: -1 }),
      await step({ kl: 1e300 }),
      await step({ kl: null }),
      await step({ squaredError: -0.5 }),
      await step({ token: 0.5 }),
      await step({ step: 7 }),
      await step({ codes: 0, codeBits: 5 }),
      await worked((examples) => examples[0].score = 2),
      await worked((examples) => examples[0].depth = -1),
      await worked((examples) => examples[0].seconds = -1),
      await worked((examples) => examples[1].id = examples[0].id),
      await worked((examples) => examples[1].id = 7),
      await changed((c) => c.examples = [], true),
      await changed((c) => c.examples[0].steps = [], true),
      await changed((c) => c.examples = { length: 1e9 }, true),
      await changed((c) => c.numbers.calibration_cost_s = -1, true),
      await changed((c) => c.numbers.quality_delta_vs_ref = "NaN", true),
      await changed((c) => c.widths = [[[4]]], true),
      await changed((c) => c.widths[0][0][0] = 1e9, true),
      await changed((c) => c.widths[1] = [[4], [4]], true),
      await changed((c) => c.deviations = [{}], true),
      await changed((c) => c.refused = [{ id: "a", reason: "b" }], true),
      await changed((c) => c.numbers.examples_left_out = 1, true),
      await changed((c) => c.slice_examples = 31, true),
      await changed((c) => c.model_hub = "acme", true),
    ]
  ) assertEquals((await told(text)).length, 1, text.slice(0, 300));
});

Deno.test("cells of an earlier version are told once", () =>
  inFolder(async (folder) => {
    const notices: string[] = [];
    const store = new CellStore(folder, (sentence) => notices.push(sentence));
    for (const seed of [1, 2]) {
      const key = { ...cell.key, seed };
      const text = JSON.stringify({ format: "kvreplay cell 1", ...cell, key });
      await Deno.writeTextFile(`${folder}/${await cellFileName(key)}`, text);
      assertEquals(await store.load(key), undefined);
    }
    assertEquals(notices, [`Cells of an earlier version in ${folder} are run again`]);
  }));

Deno.test("what is no file is passed over, and a folder keeps its name", () =>
  inFolder(async (folder) => {
    const notices: string[] = [];
    const store = new CellStore(folder, (sentence) => notices.push(sentence));
    const name = await cellFileName(cell.key);
    await Deno.mkdir(`${folder}/${name}/mine`, { recursive: true });
    assertEquals(await store.load(cell.key), undefined);
    await store.save(cell);
    assertEquals(notices, [
      `Cell ${name} is no file; it is run again`,
      `Cell ${name} is not kept: a folder has its name; expected a file, or none`,
    ]);
    await Deno.remove(`${folder}/${name}`, { recursive: true });
    if (Deno.build.os === "windows") return;
    await Deno.writeTextFile(`${folder}/mine`, await writeCell(cell));
    await Deno.symlink("mine", `${folder}/${name}`);
    assertEquals(await store.load(cell.key), undefined);
    await store.save(cell);
    assertEquals(await store.load(cell.key), cell);
    assert((await Deno.lstat(`${folder}/${name}`)).isFile);
    await Deno.remove(`${folder}/${name}`);
    await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output();
    assertEquals(await store.load(cell.key), undefined);
    await store.save(cell);
    assertEquals(await store.load(cell.key), cell);
  }));

Deno.test("a cell keeps the commit of its model", () =>
  inFolder(async (folder) => {
    const store = new CellStore(folder);
    const ofHub = { ...cell, model_hub: { name: "acme/Wide-0.1B", commit: "4".repeat(40) } };
    await store.save(ofHub);
    assertEquals(await store.load(cell.key), ofHub);
  }));

Deno.test("names that are no file names stay in the folder", async () => {
  const name = await cellFileName({ ...cell.key, model: "../../etc/pass wd", policy: "./my.ts" });
  assert(/^[\w.-]+$/.test(name) && !name.includes(".."), name);
});
