import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  decadeTicks,
  linear,
  lossOrder,
  signedOrder,
  spaced,
  transformed,
} from "../../../leaderboard/report/scale.ts";

Deno.test("a scale maps the ends of its domain to the ends of its range", () => {
  const scale = transformed(Math.log10, [0.5, 50], [10, 110]);
  assertAlmostEquals(scale(0.5), 10);
  assertAlmostEquals(scale(5), 60);
  assertAlmostEquals(scale(50), 110);
  assertEquals(linear([3, 3], [0, 10])(3), 5);
});

Deno.test("stretched scales keep the order", () => {
  const values = fc.tuple(
    fc.double({ min: 0, max: 100, noNaN: true }),
    fc.double({
      min: 0,
      max: 100,
      noNaN: true,
    }),
  );
  fc.assert(fc.property(values, ([a, b]) => {
    if (a - b > 1e-9) {
      assert(lossOrder(a) > lossOrder(b));
      assert(signedOrder(a) > signedOrder(b) && signedOrder(-a) < signedOrder(-b));
    }
    assertEquals(signedOrder(-a), -signedOrder(a));
  }));
});

Deno.test("ticks are round, inside the domain and apart", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
      fc.double({ min: 1.2, max: 1e3, noNaN: true }),
      (low, factor) => {
        const domain = [low, low * factor] as const;
        const scale = transformed(Math.log10, domain, [0, 500]);
        const ticks = spaced(decadeTicks(domain), scale, 26);
        for (const tick of ticks) {
          assert(tick.value >= low * (1 - 1e-9) && tick.value <= low * factor * (1 + 1e-9));
          assertAlmostEquals(Number(tick.text), tick.value, tick.value * 1e-9);
        }
        const at = ticks.map((t) => scale(t.value)).sort((a, b) => a - b);
        for (let i = 1; i < at.length; i++) assert(at[i]! - at[i - 1]! >= 26);
      },
    ),
  );
});

Deno.test("a domain that no logarithm has leads to no ticks, at once", () => {
  for (const domain of [[0, 1], [-1, 1], [NaN, 1], [1, Infinity], [0, 0]] as const) {
    assertEquals(decadeTicks(domain), []);
  }
});
