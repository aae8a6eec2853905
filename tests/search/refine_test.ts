import { assert, assertEquals } from "@std/assert";
import { neighbours } from "../../search/refine.ts";

const WIDTHS = [1, 2, 4];
const AROUND = [[8, 3, 2], [4, 3, 3], [3, 2, 1], [9, 5, 1]];

Deno.test("neighbours stay within the budget and differ from the plan and each other", () => {
  const plan = [2, 2, 2, 2];
  const found = neighbours(AROUND, WIDTHS, plan, 2);
  assert(found.length > 0);
  assertEquals(new Set([plan, ...found].map(String)).size, found.length + 1);
  for (const widths of found) assert(widths.reduce((a, b) => a + b, 0) <= 2 * plan.length);
});

Deno.test("the boldest neighbour changes more lanes than the most careful one", () => {
  const plan = [2, 2, 2, 2];
  const changes = neighbours(AROUND, WIDTHS, plan, 2)
    .map((widths) => widths.filter((width, c) => width !== plan[c]).length);
  assert(Math.min(...changes) < plan.length);
  assertEquals(changes.at(-1), Math.max(...changes));
});

Deno.test("a plan that no change improves has no neighbours", () => {
  assertEquals(neighbours([[1, 2, 3], [1, 2, 3]], WIDTHS, [1, 1], 4), []);
});
