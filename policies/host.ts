/**
 * A policy host stands between the replay and a policy: one call per step, raw answers back. The
 * built-ins run in this process; files run in the sandbox (sandbox/), behind the same interface.
 *
 * @module
 */
import { InternalError, UserError } from "../errors.ts";
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

/**
 * A policy, wherever it runs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openPolicyFile, type PolicyHost } from "@kvreplay/kvreplay/policies";
 *
 * const path = await Deno.makeTempFile({ suffix: ".ts" });
 * await Deno.writeTextFile(path, `export default {
 *   choose_bits: () => 2,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 *   group_sizes: () => 32,
 * };`);
 * const host: PolicyHost = await openPolicyFile(path);
 * assertEquals(host.remarks, ['its method "group_sizes" is no hook; did you mean group_size?']);
 * await host.close();
 * await Deno.remove(path);
 * ```
 */
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

/** Runs a policy in this process: one of this project's, or one that the caller answers for. */
export class InProcessHost implements PolicyHost {
  readonly hooks: readonly OptionalHook[];
  readonly remarks: readonly string[];
  readsStats = false;

  constructor(
    readonly name: string,
    private readonly policy: Policy,
    private readonly whose: "reference" | "built-in" | "own" = "own",
  ) {
    const methods = methodsOf(policy, MOST_METHODS);
    const missing = missingMethod(policy);
    if (missing !== undefined) throw missingMethodError(name, missing, methods);
    this.hooks = hooksOf(policy);
    this.remarks = unaskedMethods(methods);
  }

  get fullPrecision(): boolean {
    return this.whose === "reference";
  }

  async calibrationMode(
    workload: WorkloadMeta,
    budget: BudgetState,
  ): Promise<"none" | "offline"> {
    return checkCalibrationMode(
      await this.#ask(() => this.policy.calibration_mode(workload, budget)),
    );
  }

  get calibrates(): boolean {
    return this.policy.calibrate !== undefined;
  }

  async calibrate(samples: CalibrationStatistics): Promise<unknown> {
    try {
      return await this.policy.calibrate?.(samples);
    } catch (error) {
      // Learning depends on what there is to learn from, whoever wrote it.
      throw blamed(error);
    }
  }

  plan(question: StepQuestion): RawAnswers[] {
    return this.#ask(() =>
      askPolicy(this.policy, {
        budget: question.budget,
        request: question.request,
        stats: (layer, kind, head) => {
          this.readsStats = true;
          return question.stats(layer, kind, head);
        },
      })
    );
  }

  #ask<V>(question: () => V): V {
    try {
      return question();
    } catch (error) {
      throw this.#blamed(error);
    }
  }

  /** What a policy of the caller's throws is that policy's failure; in one of ours it is a bug. */
  #blamed(error: unknown): unknown {
    return this.whose === "own" ? blamed(error) : error;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function blamed(error: unknown): unknown {
  if (error instanceof UserError || error instanceof InternalError) return error;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
  return new PolicyError(`It threw ${what}`, { cause: error });
}
