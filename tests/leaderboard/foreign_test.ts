/** Leaderboards of foreign text: what runs where, what is compared with what, and what is reached. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parse } from "@std/csv/parse";
import { loadCalibrationSet } from "../../calibration/calibration_set.ts";
import { UserError } from "../../errors.ts";
import type { Cell } from "../../leaderboard/cell.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { fillForeign, type ForeignInput } from "../../leaderboard/foreign/foreign_fill.ts";
import { foreignFiles } from "../../leaderboard/foreign/foreign_files.ts";
import { goalOf } from "../../leaderboard/foreign/goals.ts";
import { verdicts } from "../../leaderboard/foreign/verdicts.ts";
import type { Difference } from "../../stats/compare.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";
import { sampleCell } from "./sample_board.ts";

const options = { baseline: "kivi_overlap_4bit", seed: 0, resamples: 200 } as const;

function input(folder: string, calibrationData: string): ForeignInput {
  return {
    models: ["mini"],
    named: [],
    store: new CellStore(`${folder}/cells`),
    fresh: false,
    slices: ["reasoning"],
    policies: ["adaptive"],
    baseline: "kivi_overlap_4bit",
    ready: {
      device: "cpu",
      limit: 1,
      budgetBits: 4,
      seed: 0,
      version: "test",
      commit: "unknown",
      calibrationData,
    },
  };
}

Deno.test("what learns is judged everywhere but on its own kind, what does not runs once", () =>
  inTemporaryFolder(async (folder) => {
    const texts = `${folder}/texts.jsonl`;
    const long = (await loadCalibrationSet()).filter(({ id }) => /-(prose|code)-1$/.test(id));
    const lines = long.map(({ kind, prompt, target }) => JSON.stringify({ kind, prompt, target }));
    await Deno.writeTextFile(texts, lines.join("\n"));
    const filled = await fillForeign(input(folder, texts));
    const where = filled.cells.map(({ learned = "nothing", cell: { key } }) =>
      `${key.policy} of ${learned} on ${key.slice}`
    );
    assertEquals(where, [
      "kivi_overlap_4bit of nothing on reasoning",
      "kivi_overlap_4bit of nothing on text:prose",
      "kivi_overlap_4bit of nothing on text:code",
      "adaptive of prose on reasoning",
      "adaptive of prose on text:code",
      "adaptive of code on reasoning",
      "adaptive of code on text:prose",
    ]);
    const sets = new Map(filled.cells.map(({ learned, cell }) => [
      learned,
      cell.calibration[0]?.sha256,
    ]));
    assertEquals(sets.get(undefined), undefined);
    assert(sets.get("prose") !== sets.get("code"));
    const again = await fillForeign(input(folder, texts));
    assertEquals([again.reused, again.cells], [7, filled.cells]);

    const policies = ["adaptive"];
    const judged = verdicts(filled.cells, { policies, ...options });
    assertEquals(judged.length, 4);
    const files = foreignFiles({ ...filled, policies, ...options, verdicts: judged });
    const rows = parse(files["foreign.csv"]!, { skipFirstRow: true });
    assertEquals(rows.map(({ learned_from: a, judged_on: b }) => [a, b]), [
      ["prose", "reasoning"],
      ["code", "reasoning"],
      ["code", "text:prose"],
      ["prose", "text:code"],
    ]);
    const share = judged[0]!.cell.numbers.peak_kv_memory_mb /
      filled.cells[0]!.cell.numbers.peak_kv_memory_mb;
    assertEquals(Number(rows[0]!.memory_share), share);
    assertMatch(files["foreign.md"]!, /\| prose +\| reasoning +\| \d/);
  }));

Deno.test("texts of one kind leave nothing to be judged on", () =>
  inTemporaryFolder(async (folder) => {
    const texts = `${folder}/one.txt`;
    await Deno.writeTextFile(texts, "The lamp is kept in box 12. ".repeat(400));
    await assertRejects(
      () => fillForeign(input(folder, texts)),
      UserError,
      'are all of the kind "text"; expected two kinds',
    );
  }));

Deno.test("rivals that learn are those that learned from the same text", () => {
  const at = (policy: string, learned?: string) => ({
    learned,
    cell: sampleCell("mini", "needle", policy),
  });
  const scaled = (cell: Cell, by: number): Cell => ({
    ...cell,
    numbers: { ...cell.numbers, peak_kv_memory_mb: by * cell.numbers.peak_kv_memory_mb },
  });
  const other = at("skvq_overlap_2bit", "code");
  const cells = [
    at("kivi_overlap_2bit"),
    at("adaptive_2bit", "prose"),
    at("adaptive_2bit", "code"),
    at("skvq_overlap_2bit", "prose"),
    { ...other, cell: scaled(other.cell, 2) },
  ];
  const [prose, code] = verdicts(cells, { policies: ["adaptive_2bit"], ...options });
  const memoryOf = (verdict: typeof prose) =>
    verdict!.duels.map(({ rival, memory }) => [rival, memory] as const);
  const [kivi, skvq] = memoryOf(prose);
  assertEquals([kivi![0], skvq![0]], ["kivi_overlap_2bit", "skvq_overlap_2bit"]);
  assertEquals(memoryOf(code), [kivi, ["skvq_overlap_2bit", skvq![1] / 2]]);
});

Deno.test("goals are missed by what is worse, and excused inside an interval", () => {
  const d = (estimate: number, low: number, high: number): Difference => ({
    ...{ estimate, low, high },
    shown: low > 0 || high < 0,
  });
  const even = d(0, 0, 0);
  const duel = { rival: "kivi_overlap_4bit", agreement: even, quality: even, memory: 0.6 };
  const adaptive = goalOf("adaptive", "kivi_overlap_4bit");
  const missed = (changes: Partial<typeof duel> & { task?: Difference }) =>
    adaptive.missed({ quality: 99, duels: [{ ...duel, ...changes }] });
  assertEquals(missed({}), []);
  assertEquals(missed({ memory: 0.61 }), ["memory"]);
  assertEquals(missed({ agreement: d(-0.1, -0.2, 0.1) }), ["agreement?"]);
  assertEquals(missed({ agreement: d(-0.1, -0.2, -0.05), task: d(-1, -2, -0.5) }), [
    "agreement",
    "task",
  ]);
  assertEquals(missed({ quality: d(-0.25, -0.3, -0.2) }), []);
  assertEquals(missed({ quality: d(-0.26, -0.3, 0) }), []);
  assertEquals(missed({ quality: d(-0.26, -0.3, -0.2) }), ["quality"]);

  const two = goalOf("adaptive_2bit", "kivi_overlap_4bit");
  const above = { agreement: d(0.1, 0, 0.2), quality: d(1, 0, 2), memory: 0.9 };
  const duels = two.rivals.map((rival) => ({ rival, ...above }));
  assertEquals(two.missed({ quality: 98, duels }), []);
  const heavier = duels.map((own, i) => ({ ...own, memory: i === 1 ? 1 : 0.9 }));
  assertEquals(two.missed({ quality: 98, duels: heavier }), ["skvq_overlap_2bit"]);

  const one = goalOf("adaptive_1bit", "kivi_overlap_4bit");
  assertEquals([97, 96.9].map((quality) => one.missed({ quality, duels: [] })), [[], ["quality"]]);
});
