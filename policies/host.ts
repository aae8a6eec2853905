/**
 * A policy host stands between the replay and a policy: one call per step, raw answers back. The
 * built-ins run in this process; files run in the sandbox (sandbox/), behind the same interface.
 *
 * @module
 */
import type { OptionalHook } from "../quant/hooks.ts";
import { askPolicy, hooksOf, type RawAnswers, type StepQuestion } from "./ask.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import { PolicyError } from "./check.ts";
import {
  methodsOf,
  missingMethod,
  missingMethodError,
  MOST_METHODS,
  unaskedMethods,
} from "./methods.ts";
import type { BudgetState, Policy, WorkloadMeta } from "./policy.ts";
import { shown } from "./shown.ts";

/** A policy, wherever it runs. */
export interface PolicyHost {
  /** Name under which results are reported. */
  readonly name: string;
  /** Optional hooks the policy defines. */
  readonly hooks: readonly OptionalHook[];
  /** What its author should know about methods that nothing asks for, one clause each. */
  readonly remarks: readonly string[];
  /** True only for the built-in reference, which leaves the cache exact. */
  readonly fullPrecision: boolean;
  /** Whether the policy has read token statistics, as far as is known. */
  readonly readsStats: boolean;
  /** False when the policy has no `calibrate`, so that no statistics need be computed for it. */
  readonly calibrates: boolean;
  /** Asks `calibration_mode`, once before the run. */
  calibrationMode(workload: WorkloadMeta, budget: BudgetState): Promise<"none" | "offline">;
  /** Hands calibration statistics to the policy and returns what it made of them. */
  calibrate(samples: CalibrationStatistics): Promise<unknown>;
  /** Asks everything about one step. */
  plan(question: StepQuestion): Promise<RawAnswers[]> | RawAnswers[];
  /**
   * Puts the run's first questions again to a fresh copy of the policy; absent where the policy is
   * one of this project's.
   * @throws {PolicyError} `not deterministic`, when an answer differs
   */
  verifyDeterminism?(): Promise<void>;
  /** Ends what the policy runs in; a process that is left open keeps the program from ending. */
  close(): Promise<void>;
}

/** Checks the answer of `calibration_mode`. */
export function checkCalibrationMode(value: unknown): "none" | "offline" {
  if (value !== "none" && value !== "offline") {
    throw new PolicyError(
      `calibration_mode() returned ${shown(value)}; expected "none" or "offline"`,
    );
  }
  return value;
}

/** Runs a trusted policy in this process. */
export class InProcessHost implements PolicyHost {
  readonly hooks: readonly OptionalHook[];
  readonly remarks: readonly string[];
  readsStats = false;

  constructor(
    readonly name: string,
    private readonly policy: Policy,
    readonly fullPrecision = false,
  ) {
    const methods = methodsOf(policy, MOST_METHODS);
    const missing = missingMethod(policy);
    if (missing !== undefined) throw missingMethodError(name, missing, methods);
    this.hooks = hooksOf(policy);
    this.remarks = unaskedMethods(methods);
  }

  calibrationMode(workload: WorkloadMeta, budget: BudgetState): Promise<"none" | "offline"> {
    return Promise.resolve(
      checkCalibrationMode(this.policy.calibration_mode(workload, budget)),
    );
  }

  get calibrates(): boolean {
    return this.policy.calibrate !== undefined;
  }

  calibrate(samples: CalibrationStatistics): Promise<unknown> {
    return Promise.resolve(this.policy.calibrate?.(samples));
  }

  plan(question: StepQuestion): RawAnswers[] {
    return askPolicy(this.policy, {
      budget: question.budget,
      request: question.request,
      stats: (layer, kind, head) => {
        this.readsStats = true;
        return question.stats(layer, kind, head);
      },
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
