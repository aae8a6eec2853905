/**
 * Replay a language model's KV cache through quantizers and see what it costs.
 *
 * ```ts
 * import { open } from "@kvreplay/kvreplay";
 *
 * await using lab = await open("mini");
 * const run = await lab.replay("reasoning", ["kivi_overlap_2bit", "skvq_overlap_2bit"], { limit: 4 });
 * for (const { policy, numbers, outcomes } of run.results) {
 *   console.log(policy, numbers.quality_main, numbers.avg_bits_per_kv_token, outcomes[0]?.reply);
 * }
 * const prompt = "A machine uses 7 watts. How many joules does it use in 5 seconds?";
 * using reference = await lab.reference({ prompt });
 * const { key } = await reference.layer(0);
 * console.log(reference.reply, reference.logits.length, [key.heads, key.capacity, key.headDim]);
 * ```
 *
 * `@kvreplay/kvreplay/quant` quantizes a tensor without a model, `/policies` has the interface that
 * a policy satisfies, `/benchmarks` the examples.
 *
 * @module
 */
export {
  type Device,
  type HubSource,
  Lab,
  type LabOptions,
  type ModelShape,
  open,
  type PerplexityOptions,
  type Precision,
  type ReplayOptions,
  type SliceInput,
} from "./evaluation/lab.ts";
export type { Prompt, Question } from "./evaluation/question.ts";
export type { OwnPolicy, PolicyChoice } from "./evaluation/policy_choice.ts";
export type { LayerTensors, ReferenceView } from "./evaluation/reference_view.ts";
export type {
  GeneratedReply,
  NamedOutcome,
  PolicyResult,
  SeedRun,
  SliceResult,
} from "./evaluation/results.ts";
export type {
  BudgetState,
  OptionalHooks,
  Policy,
  RequestMeta,
  TokenStats,
  WorkloadMeta,
} from "./policies/policy.ts";
export type { CalibrationSetFacts } from "./calibration/calibration_file.ts";
export type { CalibrationStatistics } from "./policies/calibration_statistics.ts";
export type { PolicyName } from "./policies/registry.ts";
export type { Example } from "./benchmarks/example.ts";
export type { SliceName } from "./benchmarks/slices.ts";
export { InternalError, UserError } from "./errors.ts";
export type { Axis, Family, KvKind } from "./quant/family.ts";
export type { RotaryPositions } from "./quant/rotary_positions.ts";
export type { ExampleOutcome, Prediction, SliceNumbers, StepOutcome } from "./replay/metric.ts";
export type { HeadError, HeadErrors } from "./replay/head_errors.ts";
export type { StoredWidths } from "./replay/ledger.ts";
export type { Audit, AuditedBuffer, AuditedTensor } from "./replay/audit.ts";
export { testMetricsLine } from "./report/test_metrics.ts";
