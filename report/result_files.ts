/**
 * What `--out` writes: `metrics.json`, `metrics.csv`, `steps.jsonl` and `head_errors.csv`, and
 * `heat_map.html` of needle grids, beside the manifest.
 *
 * @module
 */
import { stringify } from "@std/csv/stringify";
import type { StepOutcome } from "../replay/metric.ts";
import type { BenchmarkOrigin } from "../evaluation/benchmarks/benchmark_slices.ts";
import type { AskedQuestion } from "../evaluation/question.ts";
import type { NamedOutcome, SliceResult } from "../evaluation/results.ts";
import { metricFields } from "./metric_fields.ts";
import { canJudge, capabilityOf } from "./capability.ts";
import { headErrorsCsv } from "./head_error_rows.ts";
import { heatMapPage } from "./heat_map_page.ts";
import { moreFields } from "./more_fields.ts";
import { needleCells } from "./needle_cells.ts";
import { type SeedSpread, seedSpread } from "./seed_spread.ts";
import { runStatistics, type SliceStatistics } from "./statistics.ts";
import { groupScores, otherScores } from "./task_scores.ts";

/** Everything but the policies that decides a run's numbers. */
export interface RunDescription {
  /** Version of the replay contract. */
  readonly contract: string;
  /** As the user named it. */
  readonly model: string;
  /** Repository and commit of a model of the hub; null for any other. */
  readonly model_hub: { readonly name: string; readonly commit: string } | null;
  /** Whether prompts went through the model's chat template; a base model has none. */
  readonly chat_template: boolean;
  /** Hash of weights, configuration, graph and runtime. */
  readonly model_fingerprint: string;
  readonly device: "cpu" | "wasm" | "webgpu" | "webgpu-onnx";
  /** The GPU and how data got there, in words; null where the processor computed. */
  readonly gpu: string | null;
  /** What the model computed in. */
  readonly precision: "float32" | "float16";
  readonly budget_bits: number;
  readonly seed: number;
  /** Seeds from that one on that policies ran under where they draw at random. */
  readonly seeds: number;
  /** Day that the chat template was told. */
  readonly chat_date: string;
  /** Whether every step had a pass of its own. */
  readonly stepwise: boolean;
  readonly kvreplay: string;
  readonly deno: string;
}

/** One slice of a run. */
export interface SliceReport {
  /** File of the user's that replaced the embedded slice, or null. */
  readonly data: string | null;
  readonly max_new_tokens: number;
  /** Score of guessing, 0..100; absent for 0. */
  readonly floor?: number;
  /** Where rows and wording of a benchmark came from. */
  readonly origin?: BenchmarkOrigin;
  /** What was asked, where it is questions. */
  readonly asked?: readonly AskedQuestion[];
  readonly result: SliceResult;
}

/** One line of `steps.jsonl`. */
export interface StepRecord {
  readonly slice: string;
  readonly policy: string;
  /** The example's id. */
  readonly example: string;
  readonly dataset: string;
  readonly step: number;
  /** Token id the reference predicted, and the one predicted under the policy. */
  readonly reference_token: number;
  readonly replayed_token: number;
  /** `KL(p_ref || p_policy)` in nats. */
  readonly kl: number;
  /** Root mean square over layers and kinds of `norm(X - X') / norm(X)`. */
  readonly cache_error: number;
  /** Size of the whole quantized cache, in bytes. */
  readonly stored_bytes: number;
  /** Stored bits per cache element. */
  readonly bits: number;
}

function stepRecord(
  slice: string,
  policy: string,
  example: NamedOutcome,
  step: StepOutcome,
): StepRecord {
  return {
    slice,
    policy,
    example: example.id,
    dataset: example.dataset,
    step: step.step,
    reference_token: step.referenceToken,
    replayed_token: step.token,
    kl: step.kl,
    cache_error: Math.sqrt(step.squaredError),
    stored_bytes: step.bytes,
    bits: 8 * step.bytes / step.elements,
  };
}

/** Every replayed step of a run: slice by slice, policy by policy, example by example. */
export function* stepRecords(reports: readonly SliceReport[]): Generator<StepRecord> {
  for (const { result: { slice, results } } of reports) {
    for (const { policy, outcomes } of results) {
      for (const example of outcomes) {
        for (const step of example.steps) yield stepRecord(slice, policy, example, step);
      }
    }
  }
}

/** The contents of `steps.jsonl`. */
export function stepsJsonl(reports: readonly SliceReport[]): string {
  let text = "";
  for (const record of stepRecords(reports)) text += `${JSON.stringify(record)}\n`;
  return text;
}

/** The contents of `metrics.csv`: one row per slice and policy, the numbers as they are. */
export function metricsCsv(reports: readonly SliceReport[]): string {
  const rows = reports.flatMap(({ result }) =>
    result.results.map(({ policy, numbers, outsideBudget, claimed }) => ({
      slice: result.slice,
      policy,
      ...numbers,
      outside_budget: outsideBudget,
      claimed,
      partial: isPartial(result),
    }))
  );
  return stringify(rows, {
    columns: ["slice", "policy", ...metricFields, "outside_budget", "claimed", "partial"],
  });
}

function isPartial({ partial }: SliceResult): boolean {
  return partial ?? false;
}

/** The contents of `metrics.json`. */
export function metricsJson(
  run: RunDescription,
  reports: readonly SliceReport[],
  endedBy: string | null,
  statistics?: readonly SliceStatistics[],
): string {
  const content = {
    ...run,
    partial: endedBy !== null,
    ended_by: endedBy,
    slices: reports.map((report, i) => sliceContent(run, report, statistics?.[i])),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** One slice, with what was resampled. */
function sliceContent(
  run: RunDescription,
  { data, max_new_tokens, origin, floor = 0, result }: SliceReport,
  statistics: SliceStatistics | undefined,
): Record<string, unknown> {
  return {
    slice: result.slice,
    partial: isPartial(result),
    data,
    max_new_tokens,
    ...(origin === undefined ? {} : { benchmark: origin }),
    ...judgement(result, floor),
    refused: result.refused,
    failures: result.failures,
    not_applicable: result.notApplicable,
    ...(statistics === undefined ? {} : {
      resamples: statistics.resamples,
      comparisons: statistics.comparisons,
    }),
    policies: result.results.map(({ policy, numbers, outcomes, ...told }, i) => ({
      policy,
      outside_budget: told.outsideBudget,
      claimed: told.claimed,
      metrics: Object.fromEntries(metricFields.map((field) => [field, numbers[field]])),
      more_metrics: moreFields(outcomes),
      ...(statistics === undefined ? {} : { intervals: statistics.intervals[i] }),
      other_scores: otherScores(outcomes),
      groups: groupScores(outcomes).map((group) => ({
        ...group,
        ...(statistics === undefined ? {} : { interval: statistics.groups[i]![group.name] }),
      })),
      needle_cells: needleCells(outcomes),
      ignored_hooks: told.ignoredHooks,
      remarks: told.remarks,
      draws_at_random: told.drawsAtRandom,
      ...over(seedSpread({ numbers, outcomes, ...told }, run.seed)),
      deviations: told.deviations,
      calibration: told.calibration,
      last_widths: told.widths,
      examples: outcomes.map(exampleSummary),
    })),
  };
}

/** A policy's numbers over several seeds; nothing where there was one. */
function over(spread: SeedSpread | undefined): Record<string, unknown> {
  return spread === undefined ? {} : { over_seeds: spread };
}

/** Whether task scores can judge a policy here; nothing for a text. */
function judgement(result: SliceResult, floor: number): Record<string, unknown> {
  const capability = capabilityOf(result, floor);
  if (capability === undefined) return {};
  return { capability: { ...capability, can_judge: canJudge(capability) } };
}

function exampleSummary(example: NamedOutcome): Record<string, unknown> {
  return {
    id: example.id,
    dataset: example.dataset,
    ...(example.depth === undefined ? {} : { depth: example.depth }),
    ...(example.group === undefined ? {} : { group: example.group }),
    steps: example.steps.length,
    same_tokens: example.steps.filter((s) => s.token === s.referenceToken).length,
    task_score: 100 * example.score,
    task_score_ref: 100 * example.referenceScore,
    prefill_ms: example.prefillMs,
    replay_s: example.seconds,
    reply: example.reply,
    reply_ref: example.referenceReply,
    cut: example.cut,
    cut_ref: example.referenceCut,
    ...(example.generated === undefined ? {} : {
      generated: example.generated.reply,
      generated_tokens: example.generated.tokens,
      generated_task_score: 100 * example.generated.score,
      first_divergence: example.generated.divergence,
    }),
    ...(example.nll === undefined ? {} : { nll: example.nll, nll_ref: example.referenceNll }),
  };
}

/**
 * The files of a run by name: four, and the heat maps of needle grids where there are any.
 *
 * @param endedBy what ended the run before it was finished; null for a whole one
 * @param statistics of its slices; a run that may still be ended at any moment has none
 */
export function resultFiles(
  run: RunDescription,
  reports: readonly SliceReport[],
  endedBy: string | null = null,
  statistics = endedBy === null ? runStatistics(run, reports) : undefined,
): Record<string, string> {
  const page = heatMapPage(run.model, reports.map(({ result }) => result));
  return {
    "metrics.json": metricsJson(run, reports, endedBy, statistics),
    "metrics.csv": metricsCsv(reports),
    "steps.jsonl": stepsJsonl(reports),
    "head_errors.csv": headErrorsCsv(reports),
    ...(page === undefined ? {} : { "heat_map.html": page }),
  };
}
