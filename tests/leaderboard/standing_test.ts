import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { Board } from "../../leaderboard/board.ts";
import { boardText } from "../../leaderboard/board_text.ts";
import { rank } from "../../leaderboard/standing.ts";
import { MODELS, POLICY_NAMES, sampleBoard, sampleCell } from "./sample_board.ts";

const board = sampleBoard();
const standings = rank(board);

Deno.test("the ranking goes by mean quality and holds every policy once", () => {
  assertEquals(standings.map((s) => s.policy).toSorted(), POLICY_NAMES.toSorted());
  assertEquals(standings.map((s) => s.rank), POLICY_NAMES.map((_, i) => i + 1));
  for (let i = 1; i < standings.length; i++) {
    assert(standings[i]!.quality <= standings[i - 1]!.quality);
  }
  assertEquals(standings[0]!.policy, "reference");
});

Deno.test("means are over places and lie in their intervals", () => {
  for (const s of standings) {
    const numbers = board.places.map((place) => board.cell(place, s.policy)!.numbers);
    const mean = numbers.reduce((sum, n) => sum + n.quality_main, 0) / numbers.length;
    assertAlmostEquals(s.quality, mean, 1e-9);
    assert(s.qualityInterval.low <= mean && mean <= s.qualityInterval.high, s.policy);
    assertEquals(s.worst.quality, Math.min(...numbers.map((n) => n.quality_main)));
    assertAlmostEquals(
      s.memoryShare,
      numbers.reduce((sum, n) => sum + 1 / n.kv_compression_ratio, 0) / numbers.length,
      1e-12,
    );
  }
});

Deno.test("differences from the baseline are paired and have the right sign", () => {
  const of = (policy: string) => standings.find((s) => s.policy === policy)!.versusBaseline;
  assertEquals(of("kivi_overlap_4bit"), undefined);
  assert(of("uniform_quant_2bit")!.shown && of("uniform_quant_2bit")!.high < 0);
  assert(of("reference")!.shown && of("reference")!.low > 0);
  const baseline = standings.find((s) => s.policy === "kivi_overlap_4bit")!;
  for (const s of standings) {
    if (s.versusBaseline === undefined) continue;
    assertAlmostEquals(s.versusBaseline.estimate, s.quality - baseline.quality, 1e-6);
  }
});

Deno.test("a policy without all its cells is listed last and not ranked", () => {
  const cells = MODELS.flatMap((model) =>
    ["reference", "adaptive", "kivi_overlap_4bit"].map((p) => sampleCell(model, "needle", p))
  ).filter((c) => c.key.policy !== "reference" || c.key.model === "mini");
  const partial = rank(
    new Board({ cells, failures: [], baseline: "kivi_overlap_4bit", seed: 1, resamples: 50 }),
  );
  const last = partial.at(-1)!;
  assertEquals([last.policy, last.rank, last.cells, last.of], ["reference", null, 1, 2]);
  assertEquals(partial[0]!.rank, 1);
});

const UNRANKED = {
  outside_budget: /- {2}adaptive \(outside the budget\)/,
  claimed: /- {2}adaptive \(claimed\)/,
};
for (const [field, row] of Object.entries(UNRANKED)) {
  Deno.test(`a policy with ${field} is listed last, on no front and not ranked`, () => {
    const cells = MODELS.flatMap((model) =>
      ["reference", "adaptive", "kivi_overlap_4bit"].map((policy) => ({
        ...sampleCell(model, "needle", policy),
        // The best of all, were it ranked.
        [field]: policy === "adaptive",
      }))
    );
    const given = { cells, failures: [], baseline: "kivi_overlap_4bit", seed: 1, resamples: 50 };
    const ranked = rank(new Board(given));
    assertEquals(ranked.map((s) => [s.policy, s.rank]), [
      ["reference", 1],
      ["kivi_overlap_4bit", 2],
      ["adaptive", null],
    ]);
    assertEquals(ranked.map((s) => s.onFront), [2, 2, 0]);
    assertMatch(boardText(new Board(given)), row);
  });
}

Deno.test("delta to the reference is that of the board", () => {
  const { numbers } = board.cell({ model: "mini", slice: "needle" }, "adaptive")!;
  assertAlmostEquals(numbers.quality_delta_vs_ref, numbers.quality_main - 100, 1e-6);
});
