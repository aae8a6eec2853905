/**
 * A run in the files of lm-evaluation-harness, so that what reads those reads these (EleutherAI/
 * lm-evaluation-harness 0.4.13: `lm_eval/evaluator.py` for the fields, `lm_eval/loggers/
 * evaluation_tracker.py` for the names). There one model is a folder and its tasks are in it: here a
 * folder is the model under one policy, and its tasks are the slices.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { NamedOutcome, PolicyResult } from "../evaluation/results.ts";
import { metricFields } from "./metric_fields.ts";
import { moreFields } from "./more_fields.ts";
import type { RunDescription, SliceReport } from "./result_files.ts";
import { seedSpread } from "./seed_spread.ts";
import { otherScores } from "./task_scores.ts";
import { runStatistics, type SliceStatistics } from "./statistics.ts";
import { DEFAULT_RESAMPLES } from "../stats/bootstrap.ts";

/** Contents of files by their names. */
export type Files = Readonly<Record<string, string>>;

/** One slice under one policy. */
interface TaskResult {
  readonly task: string;
  readonly report: SliceReport;
  readonly result: PolicyResult;
  /** Standard errors of its means. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Metric of a reply: its score, 0..1. */
const SCORE = "task_score";

/**
 * The files of every policy, by the name of its folder.
 *
 * @param ended when the run ended; the harness puts the time into the names of its files
 * @param statistics of the slices
 */
export function harnessFiles(
  run: RunDescription,
  reports: readonly SliceReport[],
  ended: Date,
  statistics: readonly SliceStatistics[] = runStatistics(run, reports),
): Readonly<Record<string, Files>> {
  const date = ended.toISOString().replaceAll(":", "-").replace("Z", "000");
  const policies = [
    ...new Set(reports.flatMap(({ result }) => result.results.map((r) => r.policy))),
  ];
  const folders = distinctNames(policies.map(folderName));
  return Object.fromEntries(policies.map((policy, i) => {
    const tasks = tasksOf(reports, policy, statistics);
    const samples = new Map(tasks.map((task) => [task.task, samplesOf(task)]));
    return [folders[i]!, {
      [`results_${date}.json`]: `${
        JSON.stringify(resultsOf(run, policy, tasks, samples, ended), null, 2)
      }\n`,
      ...Object.fromEntries(
        [...samples].map(([task, lines]) => [
          `samples_${task}_${date}.jsonl`,
          lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
        ]),
      ),
    }];
  }));
}

/** As the harness names a model's folder; no name leads out of the folder it is in. */
function folderName(name: string): string {
  return name.replace(/["<>:/|\\?*[\]]+/g, "__").replace(/^\.+/, "_");
}

/** The harness's own names of tasks are words; those with anything else do not become file names. */
function taskName(slice: string): string {
  return slice.replace(/[^\w.-]+/g, "_");
}

/** The same names, numbered where one is there already, in capitals or not. */
function distinctNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${name}__${i}`;
    taken.add(free.toLowerCase());
    return free;
  });
}

function tasksOf(
  reports: readonly SliceReport[],
  policy: string,
  statistics: readonly SliceStatistics[],
): TaskResult[] {
  const names = distinctNames(reports.map(({ result }) => taskName(result.slice)));
  return reports.flatMap((report, i) => {
    const at = report.result.results.findIndex((candidate) => candidate.policy === policy);
    if (at < 0) return [];
    const result = report.result.results[at]!;
    return [{ task: names[i]!, report, result, errors: statistics[i]!.errors[at]! }];
  });
}

type Sample = Readonly<Record<string, unknown>> & {
  readonly doc_hash: string;
  readonly prompt_hash: string;
  readonly target_hash: string;
};

function samplesOf({ report, result: { outcomes } }: TaskResult): Sample[] {
  const asked = new Map(report.asked?.map((question) => [question.id, question]));
  return outcomes.map((outcome, i) => {
    const { prompt = "", answers = [] } = asked.get(outcome.id) ?? {};
    const target = answers.length === 1 ? answers[0]! : JSON.stringify(answers);
    const doc = docOf(outcome, prompt, answers);
    const scores = scoresOf(outcome);
    return {
      doc_id: i,
      doc,
      target,
      arguments: {
        gen_args_0: {
          arg_0: prompt,
          arg_1: { until: [], do_sample: false, max_gen_toks: report.max_new_tokens },
        },
      },
      resps: [[outcome.reply]],
      filtered_resps: [outcome.reply],
      filter: "none",
      metrics: Object.keys(scores),
      doc_hash: sha256(JSON.stringify(doc)),
      prompt_hash: sha256(prompt),
      target_hash: sha256(target),
      ...scores,
      // What the harness has no field for.
      reply_ref: outcome.referenceReply,
      task_score_ref: outcome.referenceScore,
      predictions: outcome.steps.map(({ token }) => token),
      predictions_ref: outcome.steps.map(({ referenceToken }) => referenceToken),
      kl: outcome.steps.map(({ kl }) => kl),
    };
  });
}

function docOf(
  { id, dataset, group, depth }: NamedOutcome,
  prompt: string,
  answers: readonly string[],
): Record<string, unknown> {
  return {
    ...{ id, dataset, prompt, answers },
    ...(group === undefined ? {} : { group }),
    ...(depth === undefined ? {} : { depth }),
  };
}

/** Numbers of one reply, 0..1 each. */
function scoresOf(outcome: NamedOutcome): Record<string, number> {
  const { score, scores = {}, generated, steps } = outcome;
  return {
    [SCORE]: score,
    ...Object.fromEntries(
      Object.entries(scores).map(([name, value]) => [`${SCORE}_${name}`, value]),
    ),
    ...(generated === undefined ? {} : { generated_task_score: generated.score }),
    greedy_match: steps.filter((s) => s.token === s.referenceToken).length / steps.length,
  };
}

function resultsOf(
  run: RunDescription,
  policy: string,
  tasks: readonly TaskResult[],
  samples: ReadonlyMap<string, readonly Sample[]>,
  ended: Date,
): Record<string, unknown> {
  const byTask = <T>(value: (task: TaskResult) => T) =>
    Object.fromEntries(tasks.map((task) => [task.task, value(task)]));
  const name = `${run.model},policy=${policy}`;
  return {
    results: byTask((task) => valuesOf(run, task)),
    group_subtasks: byTask(() => []),
    configs: byTask((task) => configOf(run, policy, task)),
    versions: byTask(() => run.contract),
    "n-shot": byTask(({ report }) => report.origin?.shots ?? 0),
    higher_is_better: byTask(({ result }) =>
      Object.fromEntries(Object.keys(scoresOf(result.outcomes[0]!)).map((metric) => [metric, true]))
    ),
    "n-samples": byTask(({ report, result }) => ({
      original: result.outcomes.length + report.result.refused.length,
      effective: result.outcomes.length,
    })),
    config: {
      model: "kvreplay",
      model_args: `pretrained=${name}`,
      batch_size: 1,
      batch_sizes: [],
      device: run.device,
      use_cache: null,
      limit: null,
      bootstrap_iters: DEFAULT_RESAMPLES,
      gen_kwargs: null,
      random_seed: run.seed,
      model_sha: run.model_fingerprint,
    },
    git_hash: null,
    date: ended.getTime() / 1000,
    task_hashes: byTask(({ task }) =>
      sha256(
        samples.get(task)!.map((s) => s.doc_hash + s.prompt_hash + s.target_hash).join(""),
      )
    ),
    model_source: "kvreplay",
    model_name: name,
    model_name_sanitized: folderName(name),
    kvreplay_version: run.kvreplay,
  };
}

/** `metric,none` and `metric_stderr,none`, as the harness has them: scores from 0 to 1. */
function valuesOf(
  run: RunDescription,
  { task, result, errors }: TaskResult,
): Record<string, unknown> {
  const { numbers, outcomes } = result;
  const values: Record<string, unknown> = { alias: task };
  const put = (metric: string, value: number, error = errors[metric]) => {
    const unit = metric.includes(SCORE) ? 100 : 1;
    values[`${metric},none`] = value / unit;
    values[`${metric}_stderr,none`] = error === undefined ? "N/A" : error / unit;
  };
  for (const field of metricFields) put(field, numbers[field]);
  for (const { name, score } of otherScores(outcomes)) put(`${SCORE}_${name}`, score);
  const { generated_task_score, mean_nll, perplexity } = moreFields(outcomes);
  if (generated_task_score !== undefined) put("generated_task_score", generated_task_score);
  if (mean_nll !== undefined) put("mean_nll", mean_nll);
  if (perplexity !== undefined) put("perplexity", perplexity);
  const spread = seedSpread(result, run.seed);
  for (const [name, { mean, sd }] of Object.entries(spread?.metrics ?? {})) {
    // Of the mean over the seeds.
    put(`${name}_seed_mean`, mean, sd / Math.sqrt(spread!.seeds.length));
  }
  return values;
}

function configOf(
  run: RunDescription,
  policy: string,
  { task, report, result }: TaskResult,
): Record<string, unknown> {
  return {
    task,
    dataset_name: report.result.slice,
    dataset_path: report.origin?.data ?? report.data,
    output_type: "generate_until",
    num_fewshot: report.origin?.shots ?? 0,
    metric_list: Object.keys(scoresOf(result.outcomes[0]!)).map((metric) => ({
      metric,
      aggregation: "mean",
      higher_is_better: true,
    })),
    generation_kwargs: { until: [], do_sample: false, max_gen_toks: report.max_new_tokens },
    repeats: 1,
    metadata: {
      version: run.contract,
      pretrained: run.model,
      policy,
      metric: report.origin?.metric ?? null,
      prompts: report.origin?.prompts ?? null,
      budget_bits: run.budget_bits,
      outside_budget: result.outsideBudget,
      claimed: result.claimed,
    },
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
