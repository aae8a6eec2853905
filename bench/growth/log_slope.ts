/**
 * The power with which one thing grows with another.
 *
 * @module
 */

/**
 * The slope of the straight line through points of logarithms, by least squares: 1 where a cost is
 * proportional, 0 where it stays the same, 2 where it is quadratic.
 *
 * @param points two at least, of positive numbers
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { logSlope } from "./log_slope.ts";
 *
 * assertAlmostEquals(logSlope([[1, 3], [2, 12], [4, 48]]), 2);
 * ```
 */
export function logSlope(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (at: 0 | 1) => logs.reduce((sum, log) => sum + log[at], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const shared = logs.reduce((sum, log) => sum + (log[0] - x) * (log[1] - y), 0);
  return shared / logs.reduce((sum, log) => sum + (log[0] - x) ** 2, 0);
}
