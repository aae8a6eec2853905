/**
 * Replay a language model's KV cache through quantizers and see what it costs.
 *
 * @module
 */
export type {
  BudgetState,
  OptionalHooks,
  Policy,
  RequestMeta,
  TokenStats,
  WorkloadMeta,
} from "./policies/policy.ts";
export type { Axis, KvKind } from "./quant/family.ts";
export type {
  CalibrationStatistics,
  ComponentStatistics,
  HeadStatistics,
  LayerStatistics,
  QueryStatistics,
  TransformStatistics,
} from "./policies/calibration_statistics.ts";
export { isPolicyName, policies, type PolicyName, policyNames } from "./policies/registry.ts";
export { BenchmarkError, type Example } from "./benchmarks/example.ts";
export {
  isSliceName,
  loadDataFile,
  loadSlice,
  type Slice,
  type SliceName,
  sliceNames,
  slices,
} from "./benchmarks/slices.ts";
export { renderPrompt, scoreReply } from "./benchmarks/datasets.ts";
export type { ExampleOutcome, Prediction, SliceNumbers, StepOutcome } from "./replay/metric.ts";
export type { Audit, AuditedBuffer, AuditedTensor } from "./replay/audit.ts";
export type { NamedOutcome, PolicyResult, SliceResult } from "./evaluation/results.ts";
export { testMetricsLine } from "./report/test_metrics.ts";
