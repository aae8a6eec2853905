/**
 * The plans of least predicted damage over a range of budgets, and the same width everywhere to
 * compare them with.
 *
 * @module
 */
import { Allocator } from "./allocation.ts";
import type { PlanCost } from "./sample_replay.ts";

/** One plan, predicted. */
export interface FrontPlan {
  /**
   * Searched for on the sensitivities, found again around such a plan, or one width everywhere.
   */
  readonly kind: "searched" | "refined" | "uniform";
  /** Mean width it may spend, in bits. */
  readonly budgetBits: number;
  /** Width per lane. */
  readonly widths: readonly number[];
  /** Mean of the widths. */
  readonly meanWidth: number;
  /** Sum of the lanes' measured sensitivities, in points of `quality_main`. */
  readonly predictedLoss: number;
}

/** One plan, predicted and measured. */
export interface FrontPoint extends FrontPlan {
  /** Mean of what joint replays of the plan cost on samples that were held out. */
  readonly measured: PlanCost;
  /** Quality on each of them. */
  readonly qualities: readonly number[];
}

/** Steps between the budgets of a front, in bits. */
export const FRONT_STEP = 0.25;

/**
 * Budgets from the narrowest to the widest width, `chosen` among them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { frontBudgets } from "./front.ts";
 *
 * assertEquals(frontBudgets([1, 2], 1.7), [1, 1.25, 1.5, 1.7, 1.75, 2]);
 * ```
 */
export function frontBudgets(widths: readonly number[], chosen: number): number[] {
  const budgets = new Set([chosen]);
  for (let bits = widths[0]!; bits <= widths.at(-1)!; bits += FRONT_STEP) budgets.add(bits);
  return [...budgets].toSorted((a, b) => a - b);
}

/**
 * The plans of a front, by budget; a plan that two budgets share is listed once, under `chosen` or
 * the smaller budget. Uniform plans follow, by width.
 *
 * @param loss sensitivities, `[lane][width]`
 * @param chosen a budget whose plan must be among them
 */
export function frontPlans(
  loss: readonly (readonly number[])[],
  widths: readonly number[],
  chosen: number,
): FrontPlan[] {
  const allocator = new Allocator(loss, widths);
  const plan = (kind: FrontPlan["kind"], budgetBits: number, lanes: readonly number[]) => ({
    kind,
    budgetBits,
    widths: lanes,
    meanWidth: lanes.reduce((a, b) => a + b, 0) / lanes.length,
    predictedLoss: allocator.costOf(lanes),
  });
  const byWidths = new Map<string, FrontPlan>();
  for (const budget of frontBudgets(widths, chosen)) {
    const lanes = allocator.widthsFor(budget);
    const key = lanes.join();
    if (byWidths.has(key) && budget !== chosen) continue;
    byWidths.set(key, plan("searched", budget, lanes));
  }
  return [
    ...byWidths.values(),
    ...widths.map((width) => plan("uniform", width, loss.map(() => width))),
  ];
}
