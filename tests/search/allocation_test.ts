import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { InternalError } from "../../errors.ts";
import { Allocator } from "../../search/allocation.ts";

/** Least cost over every combination of widths within the budget. */
function bruteForce(costs: number[][], widths: number[], bits: number): number {
  const [first, ...rest] = costs;
  if (first === undefined) return bits >= 0 ? 0 : Infinity;
  return Math.min(
    ...widths.map((width, i) => first[i]! + bruteForce(rest, widths, bits - width)),
  );
}

Deno.test("no other plan within the budget costs less", () => {
  const instance = fc.uniqueArray(fc.constantFrom(1, 2, 3, 4, 8), { minLength: 1, maxLength: 4 })
    .map((widths) => widths.toSorted((a, b) => a - b))
    .chain((widths) =>
      fc.record({
        widths: fc.constant(widths),
        costs: fc.array(
          fc.array(fc.double({ min: 0, max: 10, noNaN: true }), {
            minLength: widths.length,
            maxLength: widths.length,
          }),
          { minLength: 1, maxLength: 5 },
        ),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      })
    );
  fc.assert(fc.property(instance, ({ widths, costs, share }) => {
    const budget = widths[0]! + share * (widths.at(-1)! - widths[0]!);
    const allocator = new Allocator(costs, widths);
    const plan = allocator.widthsFor(budget);
    const bits = plan.reduce((a, b) => a + b, 0);
    assert(bits <= budget * costs.length + 1e-6);
    assertAlmostEquals(
      allocator.costOf(plan),
      bruteForce(costs, widths, Math.floor(budget * costs.length + 1e-9)),
      1e-9,
    );
  }));
});

Deno.test("a budget that only rounding misses is met", () => {
  const costs = Array.from({ length: 10 }, () => [9, 1]);
  const sum = new Allocator(costs, [1, 2]).widthsFor(1.1 + 0.2).reduce((a, b) => a + b, 0);
  assertEquals(sum, 13);
});

Deno.test("bits that buy nothing are not spent", () => {
  assertEquals(new Allocator([[1, 1], [3, 0]], [2, 4]).widthsFor(4), [2, 4]);
});

Deno.test("a budget below the narrowest width is refused", () => {
  assertThrows(() => new Allocator([[1, 0]], [2, 3]).widthsFor(1.9), InternalError, "1.9");
});
