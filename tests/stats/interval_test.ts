import { assert, assertAlmostEquals } from "@std/assert";
import { interval, tailShare } from "../../stats/interval.ts";

Deno.test("tails are those of Student's law, widened by n / (n - 1)", () => {
  // pnorm(-sqrt(n / (n - 1)) * qt(0.975, n - 1)), Student's quantiles from tables.
  assertAlmostEquals(tailShare(6), below(Math.sqrt(6 / 5) * 2.5706), 2e-5);
  assertAlmostEquals(tailShare(10), below(Math.sqrt(10 / 9) * 2.2622), 2e-5);
  assertAlmostEquals(tailShare(32), below(Math.sqrt(32 / 31) * 2.0395), 2e-5);
});

/** Upper tail of the normal law by Simpson's rule. */
function below(z: number): number {
  const n = 2000;
  const h = (12 - z) / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    const x = z + i * h;
    sum += (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-x * x / 2);
  }
  return sum * h / 3 / Math.sqrt(2 * Math.PI);
}

Deno.test("an interval of evenly spread replicates leaves out its tails", () => {
  const even = Float64Array.from({ length: 10_001 }, (_, i) => i / 10_000);
  const { low, high } = interval(even, 32);
  assertAlmostEquals(low, tailShare(32), 1e-9);
  assertAlmostEquals(high, 1 - tailShare(32), 1e-9);
});

Deno.test("fewer examples make a wider interval", () => {
  for (let n = 3; n < 100; n++) assert(tailShare(n) < tailShare(n + 1));
});
