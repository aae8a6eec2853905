/**
 * Which of the measured plans is written.
 *
 * @module
 */
import type { FrontPoint } from "./front.ts";

/** The plan to write, and what it was weighed against. */
export interface Verdict<P> {
  /** The best searched plan if it wins, else `uniform`. */
  readonly chosen: P;
  /** The best plan that was searched for. */
  readonly searched: P;
  /** The best plan of one width everywhere. */
  readonly uniform: P;
  /** Held-out samples on which `searched` has more quality than `uniform`. */
  readonly wins: number;
}

/** What the verdict looks at. */
type Candidate = Pick<FrontPoint, "kind" | "meanWidth" | "measured" | "qualities">;

/**
 * Weighs the plans within a budget by their quality on the samples that were held out. The best of
 * several plans is partly the luckiest, so a searched plan must be better than one width everywhere
 * both on the mean and on more than half of the samples; otherwise the plain plan is kept.
 *
 * @param front at least one searched and one uniform plan within the budget
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { verdict } from "./verdict.ts";
 *
 * const plan = (kind: "searched" | "uniform", ...qualities: number[]) => {
 *   const quality = qualities.reduce((a, b) => a + b, 0) / qualities.length;
 *   const measured = { quality, kl: 0, loss: 0, codeBits: 2, storedBits: 3 };
 *   return { kind, meanWidth: 2, measured, qualities };
 * };
 * const oneLuckySample = [plan("searched", 99, 97, 97), plan("uniform", 90, 98, 98)];
 * assertEquals(verdict(oneLuckySample, 2).chosen.kind, "uniform");
 * ```
 */
export function verdict<P extends Candidate>(front: readonly P[], budgetBits: number): Verdict<P> {
  const within = front.filter(({ meanWidth }) => meanWidth <= budgetBits);
  const best = (plans: readonly P[]) =>
    plans.reduce((a, b) => b.measured.quality > a.measured.quality ? b : a);
  const uniform = best(within.filter(({ kind }) => kind === "uniform"));
  const searched = best(within.filter(({ kind }) => kind !== "uniform"));
  const wins = searched.qualities.filter((quality, i) => quality > uniform.qualities[i]!).length;
  const won = searched.measured.quality > uniform.measured.quality &&
    wins > searched.qualities.length / 2;
  return { chosen: won ? searched : uniform, searched, uniform, wins };
}
