/** Intervals and paired comparisons of a run's results. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { harnessFiles } from "../../report/harness_files.ts";
import { runStatistics, sliceStatistics } from "../../report/statistics.ts";
import { resultFiles } from "../../report/result_files.ts";
import { result } from "./sample_result.ts";
import { run } from "./sample_run.ts";

const [sample] = result.results;
const [outcome] = sample!.outcomes;

/** Eight examples whose replies score as given. */
const scored = (policy: string, score: (i: number) => number, nll?: (i: number) => number[]) => ({
  ...sample!,
  policy,
  outcomes: Array.from({ length: 8 }, (_, i) => ({
    ...outcome!,
    id: `example-${i}`,
    score: score(i),
    ...(nll === undefined ? {} : { nll: nll(i) }),
  })),
});

Deno.test("every mean has an interval and every pair a paired test", () => {
  const [always, never, half] = [
    scored("always", () => 1),
    scored("never", () => 0),
    scored("half", (i) => i % 2),
  ];
  const { intervals, comparisons } = sliceStatistics("gsm8k", [always, never, half], 3);
  assertEquals(intervals.map(({ task_score }) => task_score).slice(0, 2), [
    { low: 100, high: 100 },
    { low: 0, high: 0 },
  ]);
  const { low, high } = intervals[2]!.task_score!;
  assert(low < 50 && 50 < high && low >= 0 && high <= 100);
  assertEquals(comparisons.map(({ a, b }) => [a, b]), [
    ["always", "never"],
    ["always", "half"],
    ["never", "half"],
  ]);
  assertEquals(comparisons[0]!.answers, { both: 0, onlyA: 8, onlyB: 0, neither: 0 });
  // Eight coins that fall alike: 2 / 2^8.
  assertEquals(comparisons[0]!.mcnemar_p, 2 / 256);
  assertEquals(comparisons[0]!.task_score, { estimate: 100, low: 100, high: 100, shown: true });
});

Deno.test("the mean loss of a text counts its tokens, and pairs of texts their difference", () => {
  // Windows of one and of three tokens.
  const tokens = (i: number, loss: number) => Array(i % 2 === 0 ? 1 : 3).fill(loss);
  const a = scored("a", () => 1, (i) => tokens(i, i));
  const b = scored("b", () => 1, (i) => tokens(i, i + 0.5));
  const { intervals, comparisons: [pair] } = sliceStatistics("text", [a, b], 0);
  // (0 + 3*1 + 2 + 3*3 + 4 + 3*5 + 6 + 3*7) / 16 = 3.75.
  const { low, high } = intervals[0]!.mean_nll!;
  assert(low < 3.75 && 3.75 < high);
  assertAlmostEquals(pair!.mean_nll!.estimate, -0.5, 1e-12);
  assertAlmostEquals(pair!.mean_nll!.high, -0.5, 1e-12);
  assert(pair!.mean_nll!.shown);
});

Deno.test("means that only some runs have, and those of groups, have intervals too", () => {
  const generated = (i: number) => ({
    ...{ tokens: [1, 2, 3], reply: "", cut: false, score: 1, valid: true, referenceValid: true },
    divergence: i % 2 === 0 ? null : 1,
  });
  const policy = (name: string, strict: (i: number) => number) => {
    const scored_ = scored(name, () => 1);
    return {
      ...scored_,
      outcomes: scored_.outcomes.map((outcome, i) => ({
        ...outcome,
        scores: { strict: strict(i) },
        referenceScores: { strict: 1 },
        generated: generated(i),
        group: i < 2 ? "short" : "long",
        score: i < 2 ? 1 : 0,
      })),
    };
  };
  const [a, b] = [policy("a", () => 1), policy("b", (i) => i % 2)];
  const { intervals, comparisons: [pair], groups, errors } = sliceStatistics("x", [a, b], 0);
  assertEquals(intervals[0]!["task_score_strict"], { low: 100, high: 100 });
  assertEquals(pair!.task_score_strict!.estimate, 50);
  // Half of them are 3 tokens long and the same, half part at the second.
  const { low, high } = intervals[0]!["generated_same_tokens"]!;
  assert(low < 2 && 2 < high && low >= 1 && high <= 3);
  assertEquals(pair!.generated_diverged!.estimate, 0);
  assert(errors[1]!["task_score_strict"]! > 0);
  assertEquals(groups[0], { short: { low: 100, high: 100 }, long: { low: 0, high: 0 } });
  const report = { data: null, max_new_tokens: 4, result: { ...result, results: [a, b] } };
  const [{ policies: [first] }] = JSON.parse(resultFiles(run, [report])["metrics.json"]!).slices;
  assertEquals(
    first.groups.map(({ name, interval }: Record<string, unknown>) => [name, interval]),
    [["short", { low: 100, high: 100 }], ["long", { low: 0, high: 0 }]],
  );
});

Deno.test("the harness's files have the standard errors of the same draws", () => {
  const policies = [scored("a", () => 1), scored("half", (i) => i % 2)];
  const reports = [{ data: null, max_new_tokens: 32, result: { ...result, results: policies } }];
  const statistics = runStatistics(run, reports);
  const { errors: [all, half] } = statistics[0]!;
  assertEquals(all!.task_score, 0);
  // Of the mean of eight coins, in points.
  assertAlmostEquals(half!.task_score!, 100 * 0.5 / Math.sqrt(8), 0.5);
  const files = harnessFiles(run, reports, new Date(0), statistics).half!;
  const { results } = JSON.parse(Object.values(files)[0]!);
  assertEquals(results.needle["task_score_stderr,none"], half!.task_score! / 100);
  assertEquals(sliceStatistics("one", [{ ...sample!, outcomes: [outcome!] }], 0).errors, [{}]);
});

Deno.test("metrics.json of a whole run has both, and that of a part has neither", () => {
  const policies = [scored("a", () => 1), scored("b", (i) => i % 2)];
  const reports = [{ data: null, max_new_tokens: 32, result: { ...result, results: policies } }];
  const read = (endedBy: string | null) =>
    JSON.parse(resultFiles(run, reports, endedBy)["metrics.json"]!).slices[0];
  const whole = read(null);
  assertEquals(whole.comparisons.length, 1);
  assertEquals(whole.comparisons[0].seed, run.seed);
  assertEquals(whole.policies[0].intervals.task_score, { low: 100, high: 100 });
  const part = read("Interrupted by a signal");
  assertEquals([part.comparisons, part.policies[0].intervals], [undefined, undefined]);
});
