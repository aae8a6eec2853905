import { assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { seedSpread, seedTable, spreadFields } from "../../report/seed_spread.ts";
import { harnessFiles } from "../../report/harness_files.ts";
import { metricsJson } from "../../report/result_files.ts";
import { testMetricsLine } from "../../report/test_metrics.ts";
import { numbers, result } from "./sample_result.ts";
import { run } from "./sample_run.ts";

const [reference, drawn] = result.results;
const { outcomes } = drawn!;
const repeated = {
  ...drawn!,
  drawsAtRandom: true,
  numbers: { ...numbers, quality_main: 90, task_score: 50 },
  repeats: [
    { seed: 6, numbers: { ...numbers, quality_main: 92, task_score: 80 }, outcomes },
    { seed: 7, numbers: { ...numbers, quality_main: 97, task_score: 80 }, outcomes },
  ],
};

Deno.test("the spread of a number over seeds is that of a sample", () => {
  const { seeds, metrics, runs } = seedSpread(repeated, 5)!;
  assertEquals(seeds, [5, 6, 7]);
  // 90, 92, 97: mean 93, squares 9 + 1 + 16 over two.
  assertEquals({ ...metrics.quality_main }, { mean: 93, sd: Math.sqrt(13), least: 90, most: 97 });
  assertAlmostEquals(metrics.task_score!.mean, 70, 1e-12);
  assertEquals(runs.map((run) => run.quality_main), [90, 92, 97]);
  // Times and counts have no spread that says anything.
  assertEquals(metrics.decode_tokens_per_s, undefined);
  assertEquals(metrics.steps, undefined);
  assertEquals(seedSpread(reference!, 5), undefined);
});

Deno.test("mean and spread over seeds stand in every output", () => {
  const spread = seedSpread(repeated, 5)!;
  const line = testMetricsLine("needle", "x", numbers, false, spreadFields(spread));
  assertMatch(line, / seeds=3 quality_main_seed_mean=93 quality_main_seed_sd=3\.605551 /);

  const ran = { ...result, results: [reference!, repeated] };
  assertMatch(seedTable(ran, 5)!, /kivi, 2 bit +3 +93\.000 ± 3\.606 .* 70\.0 ± 17\.3$/);
  assertEquals(seedTable(result, 5), undefined);

  const report = { data: null, max_new_tokens: 4, result: ran };
  const seeded = { ...run, seed: 5, seeds: 3 };
  const [slice] = JSON.parse(metricsJson(seeded, [report], null)).slices;
  assertEquals(slice.policies[0].over_seeds, undefined);
  assertEquals(slice.policies[0].draws_at_random, false);
  assertEquals(slice.policies[1].over_seeds.seeds, [5, 6, 7]);
  assertEquals(slice.policies[1].over_seeds.metrics.quality_main.mean, 93);

  const files = harnessFiles(seeded, [report], new Date(0));
  const name = Object.keys(files["kivi, 2 bit"]!).find((name) => name.startsWith("results"))!;
  const values = JSON.parse(files["kivi, 2 bit"]![name]!).results.needle;
  assertAlmostEquals(values["task_score_seed_mean,none"], 0.7, 1e-12);
  // Of the mean: the standard deviation over the root of three.
  assertAlmostEquals(values["quality_main_seed_mean_stderr,none"], Math.sqrt(13 / 3), 1e-12);
});
