import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { randomSource, seedFor } from "../../../quant/numerics/random.ts";

const draws = (seed: number, count: number, bound: number) => {
  const random = randomSource(seed);
  return Array.from({ length: count }, () => random.below(bound));
};

Deno.test("a seed repeats its draws and another seed does not", () => {
  fc.assert(fc.property(fc.integer(), (seed) => {
    assertEquals(draws(seed, 20, 1000), draws(seed, 20, 1000));
    assertNotEquals(draws(seed, 20, 1000), draws(seed + 1, 20, 1000));
  }));
});

Deno.test("draws stay below the bound and fall evenly", () => {
  const counts = new Array<number>(7).fill(0);
  for (const draw of draws(3, 70_000, 7)) counts[draw]!++;
  // Chi-squared with 6 degrees of freedom: 22.5 is its 99.9 % quantile.
  const chi = counts.reduce((sum, c) => sum + (c - 10_000) ** 2 / 10_000, 0);
  assert(chi < 22.5, `counts ${counts.join(" ")}`);
});

Deno.test("parts of a run have seeds of their own", () => {
  assertEquals(seedFor(1, "needle"), seedFor(1, "needle"));
  assertNotEquals(seedFor(1, "needle"), seedFor(1, "longbench"));
  assertNotEquals(seedFor(1, "needle"), seedFor(2, "needle"));
});
