import { assert, assertEquals, assertMatch } from "@std/assert";
import { frontPlans } from "../../search/front.ts";
import { frontTable } from "../../search/front_table.ts";

const LOSS = [[9, 4, 0], [1, 0.5, 0.25], [1, 0.5, 0.5]];
const WIDTHS = [1, 2, 4];

Deno.test("a wider budget never predicts more loss, and the chosen one is there", () => {
  const plans = frontPlans(LOSS, WIDTHS, 1.9);
  const searched = plans.filter(({ kind }) => kind === "searched");
  for (const [i, plan] of searched.entries()) {
    assert(plan.meanWidth <= plan.budgetBits);
    if (i > 0) assert(plan.predictedLoss <= searched[i - 1]!.predictedLoss);
  }
  assert(searched.some(({ budgetBits }) => budgetBits === 1.9));
  const distinct = new Set(searched.map(({ widths }) => widths.join()));
  assert(searched.length - distinct.size <= 1, "only the chosen budget may repeat a plan");
  assertEquals(
    plans.filter(({ kind }) => kind === "uniform").map((p) => [p.meanWidth, p.predictedLoss]),
    [[1, 11], [2, 5], [4, 0.75]],
  );
});

Deno.test("the table marks the chosen plan and no other", () => {
  const measured = { quality: 98, loss: 2, kl: 0.5, codeBits: 2, storedBits: 3 };
  const front = frontPlans(LOSS, WIDTHS, 2)
    .map((plan) => ({ ...plan, measured, qualities: [98] }));
  const chosen = front.find(({ kind, budgetBits }) => kind === "searched" && budgetBits === 2)!;
  const quantizers = [{ name: "mine", claimed: true, measured, qualities: [98] }];
  const lines = frontTable({ front, chosen, quantizers }).split("\n");
  const starred = lines.filter((line) => line.includes("*"));
  assertEquals(starred.length, 1);
  assertMatch(lines.at(-1)!, /^mine \(claimed\) +- +98\.000 +5\.00e-1 +- +3\.000$/);
  assert(starred[0]!.startsWith("searched, 2 bits *"));
});
