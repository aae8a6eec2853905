import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../errors.ts";
import { type Cell, cellFileName, type CellKey } from "../../leaderboard/cell.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { seedBoards } from "../../sweep/boards.ts";
import { cellsOf, cellText, parseSweep, type SweepCell } from "../../sweep/definition.ts";
import { joinShards } from "../../sweep/join.ts";
import {
  readRecords,
  type Recorded,
  RecordFile,
  type SweepProgram,
  writeRecord,
} from "../../sweep/record.ts";
import { sampleCell } from "../leaderboard/sample_board.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const sweep = parseSweep(
  "models: mini\nbenchmarks: [needle, reasoning]\npolicies: kivi_overlap_2bit\nseeds: [1, 2]",
  "a.yaml",
);
const HASH = "c".repeat(64);
const PROGRAM: SweepProgram = {
  version: "0.1.0",
  commit: "0123456",
  sources: { reference: HASH, kivi_overlap_2bit: HASH },
};

function cellOf({ model, benchmark, policy, seed }: SweepCell, changed: Partial<CellKey>): Cell {
  const cell = sampleCell(model, benchmark, policy);
  const examples = cell.examples;
  return { ...cell, examples, key: { ...cell.key, seed, ...changed } };
}

interface Made {
  readonly changed?: Partial<CellKey>;
  readonly program?: SweepProgram;
  readonly of?: typeof sweep;
  readonly more?: readonly Recorded[];
}

/** Writes what a shard would that ran some cells. */
async function makeShard(
  folder: string,
  index: number,
  cells: readonly SweepCell[],
  { changed = {}, program = PROGRAM, of = sweep, more = [] }: Made = {},
): Promise<void> {
  const store = new CellStore(`${folder}/cells`);
  const outcomes: Recorded[] = [...more];
  for (const one of cells) {
    const cell = cellOf(one, changed);
    await store.save(cell);
    outcomes.push({ cell: one, kind: "finished", file: await cellFileName(cell.key) });
  }
  writeRecord(folder, { sweep: of, program, shard: { index, count: 2 }, outcomes });
}

const cells = cellsOf(sweep);
const none = () => {
  throw new Error("nothing is to be told");
};

Deno.test("shards of one folder or several are one sweep, in its order, with a board a seed", () =>
  inTemporaryFolder(async (folder) => {
    await makeShard(`${folder}/a`, 1, cells.slice(3));
    await makeShard(`${folder}/b`, 2, cells.slice(0, 2));
    await makeShard(`${folder}/b`, 1, cells.slice(1, 3));
    const { cells: found, missing } = await joinShards([`${folder}/a`, `${folder}/b`], none);
    assertEquals(
      found.map(({ key }) => [key.slice, key.policy, key.seed]),
      cells.map(({ benchmark, policy, seed }) => [benchmark, policy, seed]),
    );
    assertEquals(missing, []);
    const commands: string[] = [];
    const joined = { sweep, cells: found, failures: [], misfits: [], missing };
    const facts = { version: "0.1.0", commit: "0123456", versions: {} };
    const boards = await seedBoards(joined, facts, (again) => {
      assert(!("models" in again));
      commands.push(again.join(" "));
      return Promise.resolve({ command: again, source: HASH, files: [] });
    });
    assertEquals(
      commands,
      [1, 2].map((seed) =>
        "leaderboard --model mini --slice needle,reasoning --policy kivi_overlap_2bit " +
        `--baseline kivi_overlap_2bit --budget-bits 4 --seed ${seed} --resamples 10000`
      ),
    );
    assertEquals(boards.map(({ folder }) => folder), ["seed-1", "seed-2"]);
    assertStringIncludes(boards[1]!.files["metrics.json"]!, "mini/needle/kivi_overlap_2bit");
  }));

Deno.test("what is missing, damaged, failed or does not apply is told apart", () =>
  inTemporaryFolder(async (folder) => {
    const [first, second, third, fourth] = cells;
    await makeShard(folder, 1, cells.slice(4), {
      more: [
        { cell: first!, kind: "failed", reason: "Policy reference: broke" },
        { cell: second!, kind: "not applicable", reason: "It is too wide" },
      ],
    });
    await makeShard(folder, 2, [third!]);
    const name = await cellFileName(cellOf(third!, {}).key);
    const text = await Deno.readTextFile(`${folder}/cells/${name}`);
    await Deno.writeTextFile(`${folder}/cells/${name}`, text.replace('"score":1', '"score":0'));
    const told: string[] = [];
    const joined = await joinShards([folder], (sentence) => told.push(sentence));
    assertEquals(joined.failures.map(({ policy, seed }) => [policy, seed]), [["reference", 1]]);
    assertEquals(joined.misfits, [
      { model: "mini", policy: "kivi_overlap_2bit", reason: "It is too wide" },
    ]);
    assertEquals(joined.missing.map(cellText), [third!, fourth!].map(cellText));
    assertEquals(told.length, 1);
    assertStringIncludes(told[0]!, `Cell ${name}`);
    await Deno.remove(`${folder}/cells/${name}`);
    const gone: string[] = [];
    await joinShards([folder], (sentence) => gone.push(sentence));
    assertEquals(gone, [`Cell ${name} is not there`]);
  }));

Deno.test("mixed sweeps, programs, models, benchmarks and sources are refused", () =>
  inTemporaryFolder(async (folder) => {
    const other = { reference: HASH, kivi_overlap_2bit: "e".repeat(64) };
    const wrong: [Made, string][] = [
      [{ of: parseSweep("models: mini", "b.yaml") }, "is of another sweep than"],
      [{ program: { ...PROGRAM, version: "0.2.0" } }, "and versions differ; expected one program"],
      [{ program: { ...PROGRAM, sources: other } }, "the sources of kivi_overlap_2bit differ"],
      [{ changed: { model_hash: "f".repeat(64) } }, "is of another version of the model mini than"],
      [{ changed: { calibration_set: "f".repeat(64) } }, "other texts to learn from on the model"],
      [{ changed: { slice_hash: "f".repeat(64) } }, "another version of the benchmark needle than"],
      [{ changed: { engine: "wasm" } }, "is of another device than"],
      [{ changed: { contract: "1.0" } }, "is of another version of the contract than"],
      // A record that names the cells of another source, another seed or a limit.
      [{ changed: { source_hash: "f".repeat(64) } }, "its shard's record expected cccc"],
      [{ changed: { seed: 7 } }, "has 7 for seed; its shard's record expected 2"],
      [{ changed: { limit: 2 } }, "has 2 for limit; its shard's record expected null"],
    ];
    for (const [i, [made, message]] of wrong.entries()) {
      const [a, b] = [`${folder}/${i}/a`, `${folder}/${i}/b`];
      await makeShard(a, 1, cells.slice(0, 4));
      await makeShard(b, 2, cells.slice(4), made);
      await assertRejects(() => joinShards([a, b], none), UserError, message);
    }
  }));

Deno.test("what is no record of a shard is refused", () =>
  inTemporaryFolder(async (folder) => {
    await assertRejects(() => joinShards([folder], none), UserError, "holds no shard of a sweep");
    await makeShard(folder, 1, cells);
    const path = `${folder}/shards/1-of-2.jsonl`;
    const text = await Deno.readTextFile(path);
    const wrong: [from: string, to: string, message: string][] = [
      ["{", "[", "does not begin with a line of JSON"],
      ["kvreplay sweep 2", "kvreplay sweep 1", 'is no "kvreplay sweep 2"'],
      ['"version"', '"revision"', "does not say which program ran it"],
      ['"index":1', '"index":0', "does not say which shard it is of"],
      ['"file":"', '"file":"../', "has no outcome in line 2"],
      ['"kind":"finished"', '"kind":"done"', "has no outcome in line 2"],
      ['"seeds"', '"sowing"', 'has the field "sowing"'],
    ];
    for (const [from, to, message] of wrong) {
      await Deno.writeTextFile(path, text.replace(from, to));
      await assertRejects(() => joinShards([folder], none), UserError, message);
    }
  }));

Deno.test("a record grows, goes on after its process was killed, and begins anew for another", () =>
  inTemporaryFolder(async (folder) => {
    const about = { sweep, program: PROGRAM, shard: { index: 1, count: 2 } };
    const path = `${folder}/shards/1-of-2.jsonl`;
    const failed = (cell: SweepCell, reason: string): Recorded => ({
      cell,
      kind: "failed",
      reason,
    });
    const reasons = async () =>
      (await readRecords(folder))[0]!.outcomes.map((o) => "reason" in o ? o.reason : o.file);
    {
      using record = await RecordFile.open(folder, about);
      record.add(failed(cells[0]!, "a"));
      record.add(failed(cells[1]!, "b"));
    }
    const size = Deno.statSync(path).size;
    await Deno.writeTextFile(path, `{"cell":{"model":"mi`, { append: true });
    assertEquals(await reasons(), ["a", "b"]);
    {
      using record = await RecordFile.open(folder, about);
      assertEquals([...record.outcomes.keys()], cells.slice(0, 2).map(cellText));
      assertEquals(Deno.statSync(path).size, size);
      record.add(failed(cells[0]!, "a"));
      assertEquals(Deno.statSync(path).size, size);
      // The last that is said of a cell counts.
      record.add(failed(cells[1]!, "c"));
      assertEquals(await reasons(), ["a", "c"]);
    }
    const other = { ...PROGRAM, version: "0.2.0" };
    for (
      const [anew, fresh] of [
        [{ ...about, program: other }, false],
        [{ ...about, sweep: parseSweep("models: mini", "b.yaml") }, false],
        [about, true],
      ] as const
    ) {
      using record = await RecordFile.open(folder, anew, fresh);
      assertEquals(await reasons(), []);
      record.add(failed(cells[0]!, "d"));
    }
  }));
