/**
 * What the policies of this project are to reach on text that they learned nothing from, and whether
 * they do.
 *
 * @module
 */
import type { Difference } from "../../stats/compare.ts";

/** A policy against a rival on the same examples. */
export interface Duel {
  readonly rival: string;
  /** Of `replay_agreement`, 0..1: policy less rival. */
  readonly agreement: Difference;
  /** Of `quality_main`, in its points. */
  readonly quality: Difference;
  /** Of `task_score`, in its points; absent where the score says nothing. */
  readonly task?: Difference;
  /** Peak memory of the policy as a share of the rival's. */
  readonly memory: number;
}

/** A policy at one place, as far as goals look at it. */
export interface Outcome {
  /** 0..100. */
  readonly quality: number;
  readonly duels: readonly Duel[];
}

/** What a policy is to reach. */
export interface Goal {
  /** Policies that it is compared with; the first one's duel is the one that is shown. */
  readonly rivals: readonly string[];
  /** In words, for the head of a table. */
  readonly words: string;
  /** What is missed, in a few words each; nothing where the goal is reached. */
  missed(outcome: Outcome): string[];
}

/** Least quality of `adaptive_1bit`. */
const LEAST_QUALITY = 97;

/** Points of quality that `adaptive` may be below its rival, if an interval does not excuse more. */
const MOST_BELOW = 0.25;

/** Most memory of `adaptive`, as a share of its rival's. */
const MOST_MEMORY = 0.6;

const againstFourBits = (rival: string): Goal => ({
  rivals: [rival],
  words: `agreement and task score not below ${rival}'s, quality within ${MOST_BELOW} of it or ` +
    `inside the paired interval, at most ${100 * MOST_MEMORY} % of its memory`,
  missed: ({ duels }) =>
    duels.flatMap(({ agreement, quality, task, memory }) => [
      ...(agreement.estimate < 0 ? [isExcused(agreement) ? "agreement?" : "agreement"] : []),
      ...(task !== undefined && task.estimate < 0 ? [isExcused(task) ? "task?" : "task"] : []),
      ...(quality.estimate < -MOST_BELOW && !isExcused(quality) ? ["quality"] : []),
      ...(memory > MOST_MEMORY ? ["memory"] : []),
    ]),
});

/** Whether the examples do not show that the policy is worse. */
function isExcused({ high }: Difference): boolean {
  return high >= 0;
}

/** Goals by policy. */
const GOALS: Readonly<Record<string, Goal>> = {
  adaptive_2bit: {
    rivals: ["kivi_overlap_2bit", "skvq_overlap_2bit", "squat_2bit"],
    words:
      "quality and agreement above kivi_overlap_2bit's, skvq_overlap_2bit's and squat_2bit's, " +
      "in less memory than any of them",
    missed: ({ duels }) =>
      duels.flatMap(({ rival, agreement, quality, memory }) =>
        quality.estimate > 0 && agreement.estimate > 0 && memory < 1 ? [] : [rival]
      ),
  },
  adaptive_1bit: {
    rivals: ["kivi_overlap_2bit"],
    words: `quality of at least ${LEAST_QUALITY}`,
    missed: ({ quality }) => quality < LEAST_QUALITY ? ["quality"] : [],
  },
};

/** Policies that have goals of their own. */
export const FOREIGN_POLICIES = ["adaptive", "adaptive_2bit", "adaptive_1bit"] as const;

/** The goal of a policy: its own, else that of `adaptive` against the baseline. */
export function goalOf(policy: string, baseline: string): Goal {
  return GOALS[policy] ?? againstFourBits(baseline);
}
