/**
 * McNemar's exact test on paired yes-or-no answers.
 *
 * @module
 */

/** How two policies answered the same examples. */
export interface AnswerPairs {
  readonly both: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly neither: number;
}

/** Counts pairs of exact answers, `a[i]` and `b[i]` of one example. */
export function pairAnswers(a: readonly boolean[], b: readonly boolean[]): AnswerPairs {
  const count = (want: [boolean, boolean]) =>
    a.filter((x, i) => x === want[0] && b[i] === want[1]).length;
  return {
    both: count([true, true]),
    onlyA: count([true, false]),
    onlyB: count([false, true]),
    neither: count([false, false]),
  };
}

/**
 * Two-sided exact p-value: of the examples that only one of the two answered exactly, each is a fair
 * coin under the null hypothesis, so `p = min(1, 2 P(X <= min))` with X binomial(n, 1/2) (McNemar,
 * Psychometrika 12, 1947, in its exact form).
 *
 * @param onlyA examples that only A answered exactly
 * @param onlyB examples that only B answered exactly
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mcnemarExact } from "./mcnemar.ts";
 *
 * assertEquals(mcnemarExact(0, 6), 0.03125);
 * assertEquals(mcnemarExact(3, 3), 1);
 * ```
 */
export function mcnemarExact(onlyA: number, onlyB: number): number {
  const n = onlyA + onlyB;
  // 2^-n underflows from n = 1075 on: the terms C(n, k) / 2^n are added up in parts of 2^-halvings.
  let term = 1;
  let below = 1;
  let halvings = n;
  for (let k = 1; k <= Math.min(onlyA, onlyB); k++) {
    term *= (n - k + 1) / k;
    below += term;
    if (below > 2 ** 500) {
      term *= 2 ** -500;
      below *= 2 ** -500;
      halvings -= 500;
    }
  }
  return Math.min(1, 2 * below * 2 ** -halvings);
}
