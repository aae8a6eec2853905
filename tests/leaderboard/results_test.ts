import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv/parse";
import { comparePolicies } from "../../stats/compare.ts";
import { seedFor } from "../../quant/numerics/random.ts";
import { comparisonsCsv, metricsCsv } from "../../leaderboard/result_tables.ts";
import { metricsJson } from "../../leaderboard/metrics_json.ts";
import { resultFiles } from "../../leaderboard/result_files.ts";
import { Board } from "../../leaderboard/board.ts";
import { boardText } from "../../leaderboard/board_text.ts";
import type { Cell } from "../../leaderboard/cell.ts";
import { POLICY_NAMES, sampleBoard } from "./sample_board.ts";
import { sampleManifest } from "./sample_manifest.ts";

const board = sampleBoard(["reference", "kivi_overlap_4bit", "adaptive"]);
const manifest = sampleManifest(board);

Deno.test("metrics.json has lm-evaluation-harness's keys for every task", () => {
  // deno-lint-ignore no-explicit-any
  const json = JSON.parse(JSON.stringify(metricsJson(board, manifest))) as any;
  const tasks = board.places.flatMap(({ model, slice }) =>
    board.policies.map((policy) => `${model}/${slice}/${policy}`)
  );
  const byTask = [
    "configs",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
    "task_hashes",
  ];
  for (const key of byTask) assertEquals(Object.keys(json[key]).sort(), tasks.toSorted(), key);
  for (const task of tasks) {
    const result = json.results[task];
    assertEquals(result.alias, task);
    const metrics = Object.keys(result).filter((k) => k !== "alias");
    for (const metric of metrics) {
      assert(/^\w+,none$/.test(metric), metric);
      if (!metric.includes("_stderr,")) {
        assertEquals(typeof result[metric], "number");
        assert(metric.replace(",none", "_stderr,none") in result, metric);
      }
    }
    assert(result["quality_main_stderr,none"] >= 0);
    assertEquals(json["n-samples"][task], { original: 32, effective: 32 });
    assertEquals(json["n-shot"][task], 0);
  }
  assertEquals(Object.keys(json.groups).sort(), board.policies.toSorted());
  for (const policy of board.policies) {
    assertEquals(json.results[policy], json.groups[policy]);
    assertEquals(json.group_subtasks[policy].length, board.places.length);
  }
  assertEquals(json.git_hash, manifest.project.commit);
  assertEquals(json.config.random_seed, 1);
  assertEquals(json.config.bootstrap_iters, 500);
  const { numbers } = board.cell({ model: "mini", slice: "needle" }, "adaptive")!;
  assertEquals(json.results["mini/needle/adaptive"]["task_score,none"], numbers.task_score);
});

Deno.test("metrics.csv has a row per cell with all its numbers", () => {
  const rows = parse(metricsCsv(board), { skipFirstRow: true });
  assertEquals(rows.length, board.cells.length);
  for (const [i, cell] of board.cells.entries()) {
    const row = rows[i]!;
    assertEquals([row.model, row.slice, row.policy], [
      cell.key.model,
      cell.key.slice,
      cell.key.policy,
    ]);
    for (const [field, value] of Object.entries(cell.numbers)) {
      assertEquals(Number(row[field]), value, field);
    }
    assert(Number(row.quality_main_low) <= cell.numbers.quality_main + 1e-6);
    assert(Number(row.quality_main_high) >= cell.numbers.quality_main - 1e-6);
  }
});

Deno.test("comparisons.csv has every pair at every place, as the statistics say", () => {
  const rows = parse(comparisonsCsv(board), { skipFirstRow: true });
  assertEquals(rows.length, 3 * board.places.length);
  const row = rows.find((r) =>
    r.model === "mini" && r.slice === "needle" && r.a === "kivi_overlap_4bit" && r.b === "adaptive"
  )!;
  const at = (policy: string) => ({
    policy,
    examples: board.cell({ model: "mini", slice: "needle" }, policy)!.examples,
  });
  const expected = comparePolicies(at("kivi_overlap_4bit"), at("adaptive"), {
    seed: seedFor(1, "needle"),
    resamples: 500,
  });
  assertAlmostEquals(Number(row.quality_main_low), expected.quality_main.low, 1e-12);
  assertEquals(row.quality_main_shown, String(expected.quality_main.shown));
  assertEquals(Number(row.mcnemar_p), expected.mcnemar_p);
  assertEquals(row.seed, "1");
});

Deno.test("the same cells give the same files", () => {
  const files = resultFiles(board, manifest);
  assertEquals(Object.keys(files), [
    "metrics.json",
    "metrics.csv",
    "comparisons.csv",
    "manifest.json",
    "report.html",
  ]);
  assertEquals(resultFiles(sampleBoard(board.policies), manifest), files);
  assertEquals(JSON.parse(files["manifest.json"]!), manifest);
});

Deno.test("the commit of a model of the hub is in the manifest, the metrics and the report", () => {
  const model_hub = { name: "acme/Wide-0.1B", commit: "4".repeat(40) };
  const { baseline, seed, resamples } = board;
  const cells = board.cells.map((cell) => ({ ...cell, model_hub }));
  const ofHub = new Board({ cells, failures: [], baseline, seed, resamples });
  const files = resultFiles(ofHub, sampleManifest(ofHub));
  assertEquals(JSON.parse(files["manifest.json"]!).models[0].hub, model_hub);
  // deno-lint-ignore no-explicit-any
  const configs: any[] = Object.values(JSON.parse(files["metrics.json"]!).configs);
  for (const { metadata } of configs) assertEquals(metadata.model_hub, model_hub);
  assertStringIncludes(files["report.html"]!, model_hub.commit);
});

Deno.test("the manifest names project, model, slices, policies, engine, seed and versions", () => {
  assertEquals(manifest.project.commit.length, 40);
  assertEquals(manifest.models.map((m) => m.name), ["mini", "mini-outlier"]);
  assertEquals(manifest.slices.map((s) => [s.name, s.examples]), [
    ["longbench", 32],
    ["needle", 32],
    ["reasoning", 32],
  ]);
  assertEquals(manifest.policies.map((p) => p.name), [...board.policies]);
  assert(POLICY_NAMES.includes(manifest.statistics.baseline));
  assertEquals(manifest.engine, { device: "cpu", machines: ["linux x86_64, 2 cores"] });
  assertEquals(manifest.seed, 1);
  assertEquals(manifest.versions, { deno: "2.9.6", onnxruntime: "1.30.0" });
  assertEquals(manifest.finished, "2026-11-24T11:00:00Z");
  assertEquals(manifest.cells, {
    finished: 18,
    reused: 2,
    failed: [],
    not_applicable: [],
  });
});

Deno.test("examples and policies that are left out are told, and means that they make uneven", () => {
  const cut = (cell: Cell): Cell => {
    if (cell.key.model !== "mini-outlier" || cell.key.slice !== "needle") return cell;
    const refused = cell.examples.slice(30)
      .map(({ id }) => ({ id, reason: `Example ${id} refused: <too long>` }));
    const numbers = { ...cell.numbers, examples: 30, examples_left_out: 2 };
    return { ...cell, numbers, examples: cell.examples.slice(0, 30), refused };
  };
  const misfits = [{ model: "mini", policy: "squat_2bit", reason: "its groups do not divide 80" }];
  const { baseline, seed } = board;
  const uneven = new Board({
    ...{ cells: board.cells.map(cut), failures: [], misfits, baseline, seed, resamples: 50 },
  });
  const ids = ["needle-030", "needle-031"];
  assertEquals(uneven.refused.map(({ model, slice, id }) => [model, slice, id]), [
    ...ids.map((id) => ["mini-outlier", "needle", id]),
  ]);
  const said = "means over different sets of examples: needle has 32 on mini, 30 on mini-outlier";
  const text = boardText(uneven);
  const files = resultFiles(uneven, sampleManifest(uneven));
  const [metrics, written] = ["metrics.json", "manifest.json"].map((f) => JSON.parse(files[f]!));
  for (const place of [text, files["report.html"]!]) {
    assertStringIncludes(place, `† ${said}`);
    for (const id of ids) assertStringIncludes(place, `Example ${id} refused: `);
    assertStringIncludes(place, "its groups do not divide 80");
  }
  assertStringIncludes(text, `${baseline} †`);
  for (const { refused, different_examples } of [metrics, written]) {
    assertEquals(refused, [...uneven.refused]);
    assertEquals(different_examples, { needle: { mini: 32, "mini-outlier": 30 } });
  }
  assertEquals([metrics.not_applicable, written.cells.not_applicable], [misfits, misfits]);
  assertEquals(metrics.groups[baseline].note, said);
  assertEquals(metrics["n-samples"][`mini-outlier/needle/${baseline}`], {
    original: 32,
    effective: 30,
  });
  assertEquals(written.slices[1].examples, 32);
  // Where all ran the same, nothing is said of it.
  assertEquals([boardText(board).includes("†"), manifest.refused], [false, []]);
});
