import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { verdict } from "../../search/verdict.ts";

function plan(
  kind: "searched" | "refined" | "uniform",
  meanWidth: number,
  qualities: readonly number[],
) {
  const quality = qualities.reduce((a, b) => a + b, 0) / qualities.length;
  const measured = { quality, kl: 0, loss: 0, codeBits: meanWidth, storedBits: meanWidth + 1 };
  return { kind, meanWidth, qualities, measured };
}

Deno.test("a searched plan that loses on held-out samples gives way to one width everywhere", () => {
  const uniform = plan("uniform", 2, [98, 98, 98]);
  const { chosen, searched } = verdict([plan("searched", 2, [99, 97, 96]), uniform], 2);
  assertEquals([chosen, searched.kind], [uniform, "searched"]);
});

Deno.test("a searched plan that is better on the mean and on most samples is kept", () => {
  const front = [
    plan("searched", 1.75, [97, 97, 97]),
    plan("refined", 2, [99, 99, 97]),
    plan("uniform", 2, [98, 98, 98]),
  ];
  const { chosen, wins } = verdict(front, 2);
  assertEquals([chosen, wins], [front[1], 2]);
});

Deno.test("a mean that one sample decides, and a tie, leave one width everywhere", () => {
  const uniform = plan("uniform", 2, [90, 98, 98]);
  for (const qualities of [[99, 97, 97], [90, 98, 98]]) {
    assertEquals(verdict([plan("searched", 2, qualities), uniform], 2).chosen, uniform);
  }
});

Deno.test("plans over the budget are not looked at", () => {
  const front = [
    plan("searched", 2, [95]),
    plan("searched", 2.25, [99]),
    plan("uniform", 2, [96]),
    plan("uniform", 3, [99.5]),
  ];
  assertEquals(verdict(front, 2.1).chosen, front[2]);
  assertEquals(verdict(front, 2.25).chosen, front[1]);
});

Deno.test("what is written never has less quality than one width everywhere within the budget", () => {
  const qualities = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), {
    minLength: 3,
    maxLength: 3,
  });
  const front = fc.array(
    fc.tuple(
      fc.constantFrom("searched", "refined", "uniform"),
      fc.constantFrom(1, 2, 3),
      qualities,
    ),
  );
  fc.assert(fc.property(front, qualities, qualities, (some, searched, uniform) => {
    const plans = [
      plan("searched", 1, searched),
      plan("uniform", 1, uniform),
      ...some.map(([kind, width, values]) => plan(kind, width, values)),
    ];
    const { chosen } = verdict(plans, 2);
    assert(chosen.meanWidth <= 2);
    for (const { kind, meanWidth, measured } of plans) {
      if (kind !== "uniform" || meanWidth > 2) continue;
      assert(chosen.measured.quality >= measured.quality);
    }
  }));
});
