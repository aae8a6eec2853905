import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { paretoFront } from "../../leaderboard/pareto.ts";

const results = fc.array(
  fc.record({ cost: fc.integer({ min: 0, max: 9 }), gain: fc.integer({ min: 0, max: 9 }) }),
);

Deno.test("the front holds what nothing beats, and only that", () => {
  fc.assert(fc.property(results, (all) => {
    const front = paretoFront(all);
    for (const result of all) {
      const beaten = all.some((o) =>
        o.cost <= result.cost && o.gain >= result.gain &&
        (o.cost < result.cost || o.gain > result.gain)
      );
      assertEquals(front.includes(result), !beaten);
    }
  }));
});

Deno.test("along the front, more cost buys more gain", () => {
  fc.assert(fc.property(results, (all) => {
    const front = paretoFront(all);
    for (let i = 1; i < front.length; i++) {
      const [a, b] = [front[i - 1]!, front[i]!];
      assert(a.cost === b.cost ? a.gain === b.gain : a.gain < b.gain);
    }
  }));
});
