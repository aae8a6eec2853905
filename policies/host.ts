/**
 * A policy host stands between the replay and a policy: one call per step, raw answers back. The
 * built-ins run in this process; files run in the sandbox (sandbox/), behind the same interface.
 *
 * @module
 */
import type { OptionalHook } from "../quant/family.ts";
import { askPolicy, hooksOf, type RawAnswers, type StepQuestion } from "./ask.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import { PolicyError, shown } from "./check.ts";
import type { BudgetState, Policy, WorkloadMeta } from "./policy.ts";

/** A policy, wherever it runs. */
export interface PolicyHost {
  /** Name under which results are reported. */
  readonly name: string;
  /** Optional hooks the policy defines. */
  readonly hooks: readonly OptionalHook[];
  /** True only for the built-in reference, which leaves the cache exact. */
  readonly fullPrecision: boolean;
  /** Whether the policy has read token statistics, as far as is known. */
  readonly readsStats: boolean;
  /** False when the policy has no `calibrate`, so that no statistics need be computed for it. */
  readonly calibrates: boolean;
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

/** Methods that every policy has. */
export const REQUIRED_METHODS = [
  "choose_bits",
  "choose_axis",
  "residual_length",
  "calibration_mode",
] as const;

/** Names the first required method that a policy lacks, or undefined. */
export function missingMethod(policy: unknown): string | undefined {
  if (typeof policy !== "object" || policy === null) return REQUIRED_METHODS[0];
  return REQUIRED_METHODS.find((name) =>
    typeof (policy as Record<string, unknown>)[name] !== "function"
  );
}

/** Runs a trusted policy in this process. */
export class InProcessHost implements PolicyHost {
  readonly hooks: readonly OptionalHook[];
  readsStats = false;

  constructor(
    readonly name: string,
    private readonly policy: Policy,
    readonly fullPrecision = false,
  ) {
    const missing = missingMethod(policy);
    if (missing !== undefined) {
      throw new PolicyError(`Policy ${shown(name)} has no method ${missing}`);
    }
    this.hooks = hooksOf(policy);
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
