/**
 * The leaderboard in the shape of lm-evaluation-harness's result files (EleutherAI/
 * lm-evaluation-harness, lm_eval/evaluator.py, `simple_evaluate`), so that tools that read those
 * read these: `results`, `groups`, `group_subtasks`, `configs`, `versions`, `n-shot`,
 * `higher_is_better`, `n-samples`, `config`, `git_hash`, `date`.
 *
 * The harness has one model per file and tasks in it. Here a task is a cell, named
 * `model/slice/policy`; a group is a policy, over all its cells.
 *
 * @module
 */
import type { SliceNumbers } from "../replay/metric.ts";
import { standardDeviation } from "../stats/bootstrap.ts";
import { POOLED_FIELDS } from "../stats/example_totals.ts";
import type { Board } from "./board.ts";
import { unevenSentence } from "./board_text.ts";
import type { Cell } from "./cell.ts";
import type { Manifest } from "./manifest.ts";
import { rank } from "./standing.ts";

/** Whether more is better, for every number of a slice that has a better. */
const HIGHER_IS_BETTER = {
  quality_main: true,
  quality_delta_vs_ref: true,
  peak_kv_memory_mb: false,
  decode_tokens_per_s: true,
  prefill_latency_ms: false,
  calibration_cost_s: false,
  avg_bits_per_kv_token: false,
  cache_error: false,
  greedy_match_ratio: true,
  replay_agreement: true,
  task_score: true,
  kv_compression_ratio: true,
  constants_mb: false,
} as const satisfies Partial<Record<keyof SliceNumbers, boolean>>;

/** Numbers that are printed as metrics; the counts have a place of their own. */
const METRICS = [
  ...Object.keys(HIGHER_IS_BETTER) as (keyof typeof HIGHER_IS_BETTER)[],
  "task_score_ref",
  "code_bits",
  "break_even_tokens",
] as const satisfies readonly (keyof SliceNumbers)[];

type Values = Record<string, string | number>;

/** Name of a cell's task. */
export function taskName(cell: Cell): string {
  const { model, slice, policy } = cell.key;
  return `${model}/${slice}/${policy}`;
}

/** The file's content; plain data, ready for `JSON.stringify`. */
export function metricsJson(board: Board, manifest: Manifest): Record<string, unknown> {
  const byTask = <T>(value: (cell: Cell) => T) =>
    Object.fromEntries(board.cells.map((cell) => [taskName(cell), value(cell)]));
  const standings = rank(board);
  const groups = Object.fromEntries(standings.map((s): [string, Values] => [s.policy, {
    alias: s.policy,
    "quality_main,none": s.quality,
    "quality_main_stderr,none": "N/A",
    "task_score,none": s.task,
    "task_score_stderr,none": "N/A",
    "avg_bits_per_kv_token,none": s.bits,
    "avg_bits_per_kv_token_stderr,none": "N/A",
    ...(s.uneven ? { note: unevenSentence(board)! } : {}),
  }]));
  return {
    results: { ...groups, ...byTask((cell) => resultOf(board, cell)) },
    groups,
    group_subtasks: Object.fromEntries(
      standings.map((s) => [
        s.policy,
        board.cells.filter((c) => c.key.policy === s.policy).map(taskName),
      ]),
    ),
    configs: byTask((cell) => configOf(cell)),
    versions: byTask((cell) => cell.key.contract),
    "n-shot": byTask(({ benchmark }) => benchmark?.shots ?? 0),
    higher_is_better: byTask(() => HIGHER_IS_BETTER),
    "n-samples": byTask(({ numbers, slice_examples }) => ({
      original: slice_examples,
      effective: numbers.examples,
    })),
    refused: board.refused,
    not_applicable: board.misfits,
    different_examples: manifest.different_examples,
    config: {
      model: "kvreplay",
      model_args: `models=${board.models.join("+")},engine=${manifest.engine.device}`,
      batch_size: 1,
      batch_sizes: [],
      device: manifest.engine.device,
      use_cache: null,
      limit: manifest.limit,
      bootstrap_iters: board.resamples,
      gen_kwargs: null,
      random_seed: board.seed,
      fewshot_seed: null,
    },
    git_hash: manifest.project.commit,
    date: Date.parse(manifest.started) / 1000,
    kvreplay_version: manifest.project.version,
    model_source: "kvreplay",
    model_name: board.models.join("+"),
    task_hashes: byTask(({ key }) => key.slice_hash),
    total_evaluation_time_seconds: String(
      board.cells.reduce((sum, cell) => sum + cell.environment.seconds, 0),
    ),
  };
}

/** `metric,none` and `metric_stderr,none` of one cell; bootstrap errors where there are draws. */
function resultOf(board: Board, cell: Cell): Values {
  const draws = board.draws(cell.key, cell.key.policy)!;
  const values: Values = { alias: taskName(cell) };
  for (const metric of METRICS) {
    values[`${metric},none`] = cell.numbers[metric];
    const pooled = POOLED_FIELDS.find((field) => field === metric);
    values[`${metric}_stderr,none`] = pooled === undefined || draws.examples.length < 2
      ? "N/A"
      : standardDeviation(draws.replicates[pooled]);
  }
  return values;
}

function configOf(cell: Cell): Record<string, unknown> {
  const { key } = cell;
  return {
    task: taskName(cell),
    tag: key.slice,
    dataset_name: key.slice,
    output_type: "generate_until",
    num_fewshot: cell.benchmark?.shots ?? 0,
    metric_list: Object.entries(HIGHER_IS_BETTER).map(([metric, higher]) => ({
      metric,
      aggregation: "kvreplay",
      higher_is_better: higher,
    })),
    generation_kwargs: { do_sample: false, max_gen_toks: key.max_new_tokens },
    metadata: {
      version: key.contract,
      pretrained: key.model,
      model_hub: cell.model_hub,
      chat_template: cell.chat_template,
      model_hash: key.model_hash,
      policy: key.policy,
      source_hash: key.source_hash,
      engine: key.engine,
      budget_bits: key.budget_bits,
      calibration: cell.calibration,
      outside_budget: cell.outside_budget,
      claimed: cell.claimed,
      ignored_hooks: cell.ignored_hooks,
      deviations: cell.deviations,
    },
  };
}
