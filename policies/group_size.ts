/**
 * A policy with groups of another size: `kivi_overlap_2bit@g64` is `kivi_overlap_2bit` in groups of 64
 * entries.
 *
 * @module
 */
import { hooks, type OptionalHook } from "../quant/hooks.ts";
import type { RawAnswers, StepQuestion } from "./ask.ts";
import type { CalibrationStatistics } from "./calibration_statistics.ts";
import type { PolicyHost } from "./host.ts";
import type { WorkLimits } from "../sandbox/limits.ts";
import type { BudgetState, WorkloadMeta } from "./policy.ts";

/** Largest group that can be asked for, in entries. */
export const LARGEST_GROUP = hooks.group_size.value.most;

/** A name, and the size of the groups that it ends with. */
export interface NameAndGroup {
  readonly name: string;
  /** In entries; absent for the policy's own. */
  readonly groupSize?: number;
}

/**
 * Takes a size of groups off the end of a policy's name or path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nameAndGroup } from "./group_size.ts";
 *
 * assertEquals(nameAndGroup("squat_2bit@g64"), { name: "squat_2bit", groupSize: 64 });
 * assertEquals(nameAndGroup("./mine.ts"), { name: "./mine.ts" });
 * ```
 */
export function nameAndGroup(text: string): NameAndGroup {
  const [, name, digits] = /^(.*)@g([1-9]\d{0,7})$/s.exec(text) ?? [];
  const groupSize = Number(digits);
  return name === undefined || !(groupSize <= LARGEST_GROUP) ? { name: text } : { name, groupSize };
}

/** A name with the size of its groups at its end, as `nameAndGroup` takes it off. */
export function grouped<Name extends string>(name: Name, groupSize: number): `${Name}@g${number}` {
  return `${name}@g${groupSize}`;
}

/** The same policy under `name@gN`, which answers `group_size` with N, whatever it says itself. */
export function withGroupSize(host: PolicyHost, groupSize: number): PolicyHost {
  return new GroupedHost(host, groupSize);
}

class GroupedHost implements PolicyHost {
  readonly name: string;
  readonly hooks: readonly OptionalHook[];
  readonly remarks: readonly string[];
  readonly fullPrecision: boolean;
  readonly outsideBudget: boolean;
  readonly calibrates: boolean;
  readonly claimed?: boolean;
  readonly work?: WorkLimits;
  readonly verifyDeterminism?: () => Promise<void>;

  constructor(private readonly host: PolicyHost, private readonly groupSize: number) {
    this.name = grouped(host.name, groupSize);
    this.hooks = [...new Set<OptionalHook>([...host.hooks, "group_size"])];
    this.remarks = host.remarks;
    this.fullPrecision = host.fullPrecision;
    this.outsideBudget = host.outsideBudget;
    this.calibrates = host.calibrates;
    if (host.claimed !== undefined) this.claimed = host.claimed;
    if (host.work !== undefined) this.work = host.work;
    if (host.verifyDeterminism !== undefined) {
      this.verifyDeterminism = () => host.verifyDeterminism!();
    }
  }

  get readsStats(): boolean {
    return this.host.readsStats;
  }

  get hearsSizes(): boolean {
    return this.host.hearsSizes ?? true;
  }

  calibrationMode(workload: WorkloadMeta, budget: BudgetState): Promise<"none" | "offline"> {
    return this.host.calibrationMode(workload, budget);
  }

  calibrate(samples: CalibrationStatistics): Promise<unknown> {
    return this.host.calibrate(samples);
  }

  plan(question: StepQuestion): Promise<RawAnswers[]> | RawAnswers[] {
    const answers = this.host.plan(question);
    return answers instanceof Promise
      ? answers.then((all) => this.#regrouped(all))
      : this.#regrouped(answers);
  }

  #regrouped(answers: readonly RawAnswers[]): RawAnswers[] {
    return answers.map((raw) => ({
      ...raw,
      optional: { ...raw.optional, group_size: this.groupSize },
    }));
  }

  close(): Promise<void> {
    return this.host.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
