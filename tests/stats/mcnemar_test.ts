import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { mcnemarExact, pairAnswers } from "../../stats/mcnemar.ts";

Deno.test("McNemar's exact p-value is that of the binomial test", () => {
  // 2 * sum of C(n, k) / 2^n up to the smaller count, worked out by hand.
  assertEquals(mcnemarExact(0, 0), 1);
  assertEquals(mcnemarExact(1, 0), 1);
  assertAlmostEquals(mcnemarExact(0, 5), 2 / 32, 1e-12);
  assertAlmostEquals(mcnemarExact(0, 6), 2 / 64, 1e-12);
  assertAlmostEquals(mcnemarExact(1, 7), 2 * (1 + 8) / 256, 1e-12);
  assertAlmostEquals(mcnemarExact(2, 10), 2 * (1 + 12 + 66) / 4096, 1e-12);
  assertEquals(mcnemarExact(4, 4), 1);
  // 2 * sum of C(33, k), k up to 8, over 2^33, in exact fractions.
  assertAlmostEquals(mcnemarExact(8, 25), 0.004551384132355452, 1e-14);
});

Deno.test("McNemar's p-value survives thousands of pairs", () => {
  // In exact fractions.
  assertAlmostEquals(mcnemarExact(4900, 5100), 0.04658552770494739, 1e-12);
  assert(mcnemarExact(0, 5000) < 1e-300 && mcnemarExact(2000, 2000) === 1);
});

Deno.test("McNemar's p-value is symmetric, a probability, and falls as answers part", () => {
  fc.assert(fc.property(fc.nat(200), fc.nat(200), (a, b) => {
    const p = mcnemarExact(a, b);
    assertEquals(p, mcnemarExact(b, a));
    assert(p > 0 && p <= 1, `p ${p}`);
    if (a > b) assert(mcnemarExact(a + 1, b) <= p);
  }));
});

Deno.test("pairs of answers add up to the examples", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean())), (pairs) => {
    const counted = pairAnswers(pairs.map((p) => p[0]), pairs.map((p) => p[1]));
    assertEquals(counted.both + counted.onlyA + counted.onlyB + counted.neither, pairs.length);
    assertEquals(counted.both + counted.onlyA, pairs.filter((p) => p[0]).length);
    assertEquals(counted.both + counted.onlyB, pairs.filter((p) => p[1]).length);
  }));
});
