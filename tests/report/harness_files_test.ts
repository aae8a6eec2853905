/** A run in the files of lm-evaluation-harness. */
import { assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { harnessFiles } from "../../report/harness_files.ts";
import { result } from "./sample_result.ts";
import { run } from "./sample_run.ts";

const reports = [{
  data: null,
  max_new_tokens: 32,
  asked: [
    { id: "needle-001", prompt: "No?", answers: ["0"] },
    { id: "needle-000", prompt: "Which number?", answers: ["12 34"] },
  ],
  result,
}];
const ended = new Date("2026-02-03T04:05:06.789Z");
const DATE = "2026-02-03T04-05-06.789000";

Deno.test("a policy is a folder, named as the harness names a model's and its files", () => {
  const files = harnessFiles(run, reports, ended);
  assertEquals(Object.keys(files), ["reference", "kivi, 2 bit"]);
  const names = Object.keys(files.reference!);
  assertEquals(names, [`results_${DATE}.json`, `samples_needle_${DATE}.jsonl`]);
  // The harness's `get_file_task_name`: between the first underscore and the last.
  const [, samples] = names;
  assertEquals(samples!.slice(samples!.indexOf("_") + 1, samples!.lastIndexOf("_")), "needle");
  const paths = ["../../etc", "a/b", "a|b"].map((policy) => ({ ...result.results[0]!, policy }));
  const odd = harnessFiles(
    run,
    ["longbench:hotpotqa", "longbench/hotpotqa"].map((slice) => ({
      ...reports[0]!,
      result: { ...result, slice, results: paths },
    })),
    ended,
  );
  assertEquals(Object.keys(odd), ["___..__etc", "a__b", "a__b__2"]);
  assertEquals(Object.keys(odd.a__b!).slice(1), [
    `samples_longbench_hotpotqa_${DATE}.jsonl`,
    `samples_longbench_hotpotqa__2_${DATE}.jsonl`,
  ]);
});

Deno.test("results have the harness's keys for every task, and scores from 0 to 1", () => {
  const results = JSON.parse(harnessFiles(run, reports, ended).reference![`results_${DATE}.json`]!);
  for (
    const key of [
      ...["results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better"],
      ...["n-samples", "task_hashes"],
    ]
  ) assertEquals(Object.keys(results[key]), ["needle"], key);
  assertEquals(results.results.needle["task_score,none"], 0.84375);
  assertEquals(results.results.needle["quality_main,none"], 98.25678);
  assertEquals(results.results.needle["task_score_stderr,none"], "N/A");
  assertEquals(results["n-samples"].needle, { original: 2, effective: 1 });
  assertEquals(results.config.model_args, `pretrained=${run.model},policy=reference`);
  assertEquals(results.configs.needle.output_type, "generate_until");
  assertEquals(results.date, 1770091506.789);
});

Deno.test("a sample has question, target, reply and scores where the harness has them", () => {
  const files = harnessFiles(run, reports, ended)["kivi, 2 bit"]!;
  const lines = files[`samples_needle_${DATE}.jsonl`]!.trimEnd().split("\n");
  assertEquals(lines.length, 1);
  const sample = JSON.parse(lines[0]!);
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  assertEquals(sample.doc, {
    ...{ id: "needle-000", dataset: "passkey", prompt: "Which number?", answers: ["12 34"] },
    depth: 0.5,
  });
  assertEquals([sample.doc_id, sample.target, sample.filter], [0, "12 34", "none"]);
  assertEquals([sample.resps, sample.filtered_resps], [[["12 34"]], ["12 34"]]);
  assertEquals(sample.arguments.gen_args_0.arg_0, "Which number?");
  assertEquals(sample.arguments.gen_args_0.arg_1.max_gen_toks, 32);
  assertEquals([sample.prompt_hash, sample.target_hash], [hash("Which number?"), hash("12 34")]);
  assertEquals(sample.metrics.map((name: string) => sample[name]), [1, 0.5]);
  assertEquals([sample.predictions, sample.predictions_ref], [[7, 8], [7, 7]]);
  const { configs } = JSON.parse(files[`results_${DATE}.json`]!);
  assertEquals(
    configs.needle.metric_list.map(({ metric }: { metric: string }) => metric),
    sample.metrics,
  );
  assertMatch(sample.doc_hash, /^[0-9a-f]{64}$/);
});
