/**
 * Better plans around a plan. Lanes that are harmless one by one may harm together, so that below
 * about 2 bits the sum of sensitivities predicts too little loss; sensitivities measured around a
 * plan instead of around an exact cache see what the other lanes do.
 *
 * @module
 */
import { Allocator } from "./allocation.ts";

/** Prices of a change, as shares of the largest gain that a single change promises. */
const PRICES = Array.from({ length: 12 }, (_, i) => 2 ** -i);

/**
 * Plans worth measuring, from next to no changes to all that promise something. What single changes
 * promise does not add up either, so that every change has a price, and each price gives a plan.
 *
 * @param around `[lane][width]`, sensitivities around the plan
 * @param plan width per lane
 * @param averageBits mean width at most
 * @returns plans other than `plan`, each once
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { neighbours } from "./refine.ts";
 *
 * const around = [[5, 4], [5, 1], [5, 9]];
 * assertEquals(neighbours(around, [1, 2], [2, 1, 1], 4 / 3), [[1, 2, 1]]);
 * ```
 */
export function neighbours(
  around: readonly (readonly number[])[],
  widths: readonly number[],
  plan: readonly number[],
  averageBits: number,
): number[][] {
  const present = around.map((row, c) => row[widths.indexOf(plan[c]!)]!);
  const largest = Math.max(...around.map((row, c) => present[c]! - Math.min(...row)));
  const found = new Map<string, number[]>();
  for (const share of [...PRICES, 0]) {
    const priced = around.map((row, c) =>
      row.map((loss, w) => widths[w] === plan[c] ? loss : loss + share * largest)
    );
    const next = new Allocator(priced, widths).widthsFor(averageBits);
    if (next.join() !== plan.join()) found.set(next.join(), next);
  }
  return [...found.values()];
}
