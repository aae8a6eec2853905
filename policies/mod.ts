/**
 * Policies: the interface that one satisfies, the built-in ones, and files of one's own in a sandbox.
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
} from "./policy.ts";
export type {
  CalibrationStatistics,
  HeadStatistics,
  LayerStatistics,
  QueryStatistics,
} from "./calibration_statistics.ts";
export type { FamilyStatistics } from "../quant/registry.ts";
export type {
  ComponentStatistics,
  TransformLayerStatistics,
  TransformStatistics,
} from "../quant/families/transform/transform_statistics.ts";
export type { RawAnswers, StepQuestion } from "./ask.ts";
export type { WorkLimits } from "../sandbox/limits.ts";
export type { PolicyHost } from "./host.ts";
export { PolicyError } from "./check.ts";
export {
  type BuiltinName,
  isPolicyName,
  policies,
  type PolicyName,
  policyNames,
} from "./registry.ts";
export { openPolicyFile, type PolicyFileOptions } from "./user_policy.ts";
export type { Guest, LaunchChild } from "../sandbox/child.ts";
export type { SandboxLimits } from "../sandbox/limits.ts";
export type { SandboxOptions } from "../sandbox/child.ts";
