/**
 * A policy host stands between the replay and a policy: one call per step, raw answers back. The
 * built-ins run in this process; files run in the sandbox (`sandbox/`), behind the same interface.
 *
 * @module
 */
import { InternalError, UserError } from "../errors.ts";
import type { KeptSamples } from "../quant/calibration.ts";
import type { Family } from "../quant/family.ts";
import type { OptionalHook } from "../quant/hooks.ts";
import { askPolicy, hooksOf, type RawAnswers, type StepQuestion } from "./ask.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import { PolicyError } from "./check.ts";
import {
  fieldError,
  fieldForMethod,
  methodsOf,
  missingMethod,
  missingMethodError,
  MOST_METHODS,
  OPTIONAL_METHODS,
  outsideBudgetError,
  outsideBudgetOf,
  unaskedMethods,
} from "./methods.ts";
import type { WorkLimits } from "../sandbox/limits.ts";
import type { BudgetState, Policy, WorkloadMeta } from "./policy.ts";
import { shown } from "../sandbox/shown.ts";

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
export interface PolicyHost extends AsyncDisposable {
  /** Name under which results are reported. */
  readonly name: string;
  /** Optional hooks the policy defines. */
  readonly hooks: readonly OptionalHook[];
  /** What its author should know about methods that nothing asks for, one clause each. */
  readonly remarks: readonly string[];
  /** True only for the built-in reference, which leaves the cache exact. */
  readonly fullPrecision: boolean;
  /** Whether the policy stands for an engine's setting, which may have any width. */
  readonly outsideBudget: boolean;
  /** Whether its memory is what it claims, and stored nowhere. */
  readonly claimed?: boolean;
  /** Whether the policy has read token statistics, as far as is known. */
  readonly readsStats: boolean;
  /** False where no answer depends on what earlier steps stored: their sizes are told together. */
  readonly hearsSizes?: boolean;
  /** Whether every example begins in processes of its own, which take seconds to start. */
  readonly startsOften?: boolean;
  /** A family that it brings: no other policy may choose it. */
  readonly family?: Family;
  /** False when the policy has no `calibrate`, so that no statistics need be computed for it. */
  readonly calibrates: boolean;
  /** What the evaluator does and keeps for it at most; absent for a policy that is trusted. */
  readonly work?: WorkLimits;
  /** Asks `calibration_mode`, once before the run. */
  calibrationMode(workload: WorkloadMeta, budget: BudgetState): Promise<"none" | "offline">;
  /** Hands calibration statistics to the policy and returns what it made of them. */
  calibrate(samples: CalibrationStatistics): Promise<unknown>;
  /** Hands over what is kept of the samples themselves; a quantizer of the user's learns from it. */
  learn?(samples: KeptSamples): Promise<void>;
  /** Asks everything about one step. */
  plan(question: StepQuestion): Promise<RawAnswers[]> | RawAnswers[];
  /**
   * Puts the run's first questions again to a fresh copy of the policy; absent where the policy is
   * one of this project's.
   * @throws {PolicyError} `not deterministic`, when an answer differs
   */
  verifyDeterminism?(): Promise<void>;
  /**
   * Ends what the policy runs in, as `await using` does at the end of a block; a process that is left
   * open keeps the program from ending.
   */
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
  readonly calibrates: boolean;
  readonly outsideBudget: boolean;
  readsStats = false;
  readonly #policy: Policy;

  /**
   * @param policy the policy itself, or its class, which is made afresh
   * @throws {PolicyError} for an object that is no policy, or a class that throws
   */
  constructor(
    readonly name: string,
    policy: Policy | (new () => Policy),
    private readonly whose: "reference" | "built-in" | "own" = "own",
  ) {
    const seen = this.#ask(() => {
      const made = typeof policy === "function" ? new policy() : policy;
      const methods = methodsOf(made, MOST_METHODS);
      const missing = missingMethod(made);
      if (missing !== undefined) return { made, methods, missing };
      const calibrates = typeof made.calibrate === "function";
      return {
        made,
        methods,
        field: fieldForMethod(made, OPTIONAL_METHODS),
        hooks: hooksOf(made),
        calibrates,
        outside: outsideBudgetOf(made),
      };
    }, `Policy ${shown(name)} cannot be made: it`);
    const { made, methods, missing, field, hooks = [], calibrates = false, outside = false } = seen;
    if (missing !== undefined) throw missingMethodError(name, missing, methods);
    if (field !== undefined) {
      throw fieldError(name, field);
    }
    if (outside === null) throw outsideBudgetError(name);
    this.outsideBudget = outside;
    this.#policy = made;
    this.hooks = hooks;
    this.calibrates = calibrates;
    this.remarks = unaskedMethods(methods);
  }

  get fullPrecision(): boolean {
    return this.whose === "reference";
  }

  /** No policy of this project looks at what was stored. */
  get hearsSizes(): boolean {
    return this.whose === "own";
  }

  // deno-lint-ignore require-await -- what it throws is a rejection
  async calibrationMode(
    workload: WorkloadMeta,
    budget: BudgetState,
  ): Promise<"none" | "offline"> {
    const given = this.#copied([workload, budget] as const);
    const mode = this.#ask(() => this.#policy.calibration_mode(...given));
    unheard(mode);
    return checkCalibrationMode(mode);
  }

  async calibrate(samples: CalibrationStatistics): Promise<unknown> {
    // What one policy does to its statistics is not what the next is given.
    const given = this.#copied(samples);
    let lesson: unknown;
    try {
      lesson = await this.#policy.calibrate?.(given);
    } catch (error) {
      const told = error instanceof UserError || error instanceof InternalError;
      if (this.whose !== "own" && told) throw error;
      // Learning depends on what there is to learn from, whoever wrote it.
      throw blamed(error, "It");
    }
    return this.whose === "own" ? plainData("calibrate()", lesson) : lesson;
  }

  plan(question: StepQuestion): RawAnswers[] {
    let unread: { readonly error: unknown } | undefined;
    const stats: StepQuestion["stats"] = (...which) => {
      this.readsStats = true;
      try {
        return question.stats(...which);
      } catch (error) {
        unread = { error };
        throw error;
      }
    };
    const { budget, request } = question;
    const asked = this.whose !== "own"
      ? question
      : { budget: Object.freeze({ ...budget }), request: Object.freeze({ ...request }) };
    let answers: RawAnswers[];
    try {
      answers = askPolicy(this.#policy, { ...asked, stats });
    } catch (error) {
      if (unread === undefined) throw this.#blamed(error);
      answers = [];
    }
    // Even a policy that swallows the error must be asked again, with statistics.
    if (unread !== undefined) throw unread.error;
    return this.whose === "own" ? answers.map(asData) : answers;
  }

  #ask<V>(question: () => V, who?: string): V {
    try {
      return question();
    } catch (error) {
      throw this.#blamed(error, who);
    }
  }

  /** What a policy of the caller's throws is that policy's failure; in one of ours it is a bug. */
  #blamed(error: unknown, who = "It"): unknown {
    return this.whose === "own" ? blamed(error, who) : error;
  }

  /** What a policy of the caller's is given, so that it can only change its own. */
  #copied<V>(given: V): V {
    return this.whose === "own" ? structuredClone(given) : given;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Answers of a step as data, which the policy cannot change after they were checked. */
function asData({ optional, ...answers }: RawAnswers): RawAnswers {
  const { layer, kind, axis, residual, bits } = answers;
  for (const answer of [axis, residual, ...bits, ...Object.values(optional)]) unheard(answer);
  const hooks = Object.entries(optional).map(([hook, answer]) =>
    [hook, plainData(`${hook}(${layer}, "${kind}")`, answer)] as const
  );
  return { ...answers, optional: Object.fromEntries(hooks) };
}

/** A copy of an object; what is no object, or promised, the check of its type refuses. */
function plainData(call: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Promise) return value;
  try {
    return structuredClone(value);
  } catch (error) {
    const { message } = error as Error;
    throw new PolicyError(`${call} returned more than plain data: ${message}`, { cause: error });
  }
}

/** A promise in place of an answer is refused; that it fails later must not end the program. */
function unheard(answer: unknown): void {
  if (answer instanceof Promise) answer.catch(() => {});
}

function blamed(error: unknown, who: string): PolicyError {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
  return new PolicyError(`${who} threw ${what}`, { cause: error });
}
