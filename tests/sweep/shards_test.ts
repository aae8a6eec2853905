import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { policyNames } from "../../policies/registry.ts";
import {
  cellsOf,
  cellText,
  parseSweep,
  type SweepCell,
  type SweepDefinition,
} from "../../sweep/definition.ts";
import { Estimates } from "../../sweep/estimate.ts";
import { OpenBenchmarks } from "../../sweep/open_benchmarks.ts";
import { dealt } from "../../sweep/shards.ts";

/** Prices drawn at random, the same for the same cell. */
function drawnPrices(cells: readonly SweepCell[], seconds: readonly number[]) {
  const of = new Map(cells.map((cell, i) => [cellText(cell), seconds[i % seconds.length]!]));
  return {
    cell: (cell: SweepCell) => ({ seconds: of.get(cellText(cell))!, bytes: 0 }),
    load: () => ({ seconds: 2, bytes: 0 }),
    reference: () => 1,
  };
}

async function estimatesOf(sweep: SweepDefinition): Promise<Estimates> {
  await using benchmarks = new OpenBenchmarks(sweep.benchmarks, "0.1.0");
  return await Estimates.of(sweep, benchmarks);
}

Deno.test("every cell is dealt to one shard, and none is done long before another", () => {
  const sweep = parseSweep("policies: [kivi_overlap_2bit, adaptive]\nseeds: [0, 1]", "a.yaml");
  const cells = cellsOf(sweep);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.double({ min: 0.1, max: 50, noNaN: true }), { minLength: 1, maxLength: 40 }),
      (count, seconds) => {
        const prices = drawnPrices(cells, seconds);
        const hands = dealt(sweep, prices, count);
        assertEquals(hands.length, count);
        assertEquals(
          hands.flatMap((hand) => hand.cells.map(cellText)).sort(),
          cells.map(cellText).sort(),
        );
        // The last cell that a shard was given would have made every other longer than it made this.
        const longest = Math.max(...hands.map((hand) => hand.seconds));
        const shortest = Math.min(...hands.map((hand) => hand.seconds));
        const most = Math.max(...seconds) + prices.load().seconds + prices.reference();
        assert(longest - shortest <= most + 1e-9, `${longest} and ${shortest}`);
        assertEquals(dealt(sweep, prices, count), hands);
      },
    ),
    { seed: 19, numRuns: 60 },
  );
});

Deno.test("a shard runs its cells in the order of the sweep, so that a model is opened once", async () => {
  const sweep = parseSweep("policies: all\nlimit: 2", "a.yaml");
  const place = new Map(cellsOf(sweep).map((cell, i) => [cellText(cell), i]));
  const hands = dealt(sweep, await estimatesOf(sweep), 5);
  for (const { cells } of hands) {
    const places = cells.map((cell) => place.get(cellText(cell))!);
    assertEquals(places, [...places].sort((a, b) => a - b));
  }
});

Deno.test("estimates grow with the model, the benchmark, and what a policy does", async () => {
  const sweep = parseSweep("models: mini", "a.yaml");
  const [all, two] = [await estimatesOf(sweep), await estimatesOf({ ...sweep, limit: 2 })];
  for (const policy of policyNames) {
    const cell = { model: "mini", benchmark: "needle", policy, seed: 0 } as const;
    const { seconds, bytes } = all.cell(cell);
    assert(seconds > two.cell(cell).seconds && two.cell(cell).seconds > 0, policy);
    // Weights, and the longest prompt's cache.
    assert(bytes > all.load("mini").bytes && bytes < 2 ** 30, policy);
  }
  const of = (policy: "adaptive" | "kivi_overlap_2bit") =>
    all.cell({ model: "mini", benchmark: "needle", policy, seed: 0 });
  assert(of("adaptive").seconds > of("kivi_overlap_2bit").seconds);
  assert(of("adaptive").bytes > of("kivi_overlap_2bit").bytes);
});

Deno.test("a grid of many prompts is estimated", async () => {
  const grid = (samples: number) =>
    parseSweep(`models: mini\nbenchmarks: {niah: uuid, samples: ${samples}}`, "a.yaml");
  const [few, many] = [await estimatesOf(grid(10)), await estimatesOf(grid(10_000))];
  const reference = (estimates: Estimates) => estimates.reference("mini", "niah:uuid");
  assertAlmostEquals(reference(many) / reference(few), 1000, 1e-6);
  const cell = { model: "mini", benchmark: "niah:uuid", policy: "adaptive", seed: 0 } as const;
  assertEquals(many.cell(cell).bytes, few.cell(cell).bytes);
});
