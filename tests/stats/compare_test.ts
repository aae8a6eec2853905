import { InternalError } from "../../errors.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { summarize } from "../../replay/metric.ts";
import { comparePolicies } from "../../stats/compare.ts";
import { pool, type ScoredExample, totalsOf } from "../../stats/example_totals.ts";
import { type Chances, drawExamples } from "./paired_examples.ts";

const GOOD: Chances = { match: 0.95, exact: 0.9, kl: 0.1, error: 0.01 };
const BAD: Chances = { match: 0.6, exact: 0.4, kl: 1, error: 0.3 };
const OPTIONS = { seed: 5, resamples: 1000 };

const policy = (name: string, examples: readonly ScoredExample[]) => ({ policy: name, examples });

Deno.test("pooled numbers are those of the slice", () => {
  const examples = drawExamples(20, BAD, 1);
  const numbers = summarize(
    examples.map((e) => ({
      steps: e.steps.map((s, step) => ({
        ...s,
        step,
        bytes: 1,
        elements: 1,
        codes: 1,
        codeBits: 1,
      })),
      seconds: 1,
      score: e.score,
      referenceScore: 1,
      prefillMs: 1,
    })),
  );
  const pooled = pool(examples.map(totalsOf));
  assertEquals(pooled.quality_main, numbers.quality_main);
  assertAlmostEquals(pooled.task_score, numbers.task_score, 1e-9);
  assertAlmostEquals(pooled.greedy_match_ratio, numbers.greedy_match_ratio, 1e-9);
  assertEquals(pooled.replay_agreement, numbers.replay_agreement);
  assertAlmostEquals(pooled.cache_error, numbers.cache_error, 1e-9);
});

Deno.test("a clear difference is shown and has the right sign", () => {
  const comparison = comparePolicies(
    policy("good", drawExamples(40, GOOD, 2)),
    policy("bad", drawExamples(40, BAD, 3)),
    OPTIONS,
  );
  assertEquals(comparison.examples, 40);
  assert(comparison.quality_main.shown && comparison.quality_main.low > 0);
  assert(comparison.task_score.shown && comparison.task_score.low > 0);
  assert(comparison.mcnemar_p < 0.05);
});

Deno.test("a policy does not differ from itself", () => {
  const examples = drawExamples(40, BAD, 4);
  const comparison = comparePolicies(policy("a", examples), policy("b", examples), OPTIONS);
  assertEquals(comparison.quality_main, { estimate: 0, low: 0, high: 0, shown: false });
  assertEquals(comparison.task_score, { estimate: 0, low: 0, high: 0, shown: false });
  assertEquals(comparison.mcnemar_p, 1);
});

Deno.test("five examples show nothing, however far apart", () => {
  const one = (token: number): ScoredExample[] =>
    Array.from({ length: 5 }, (_, i) => ({
      id: `${i}`,
      score: token,
      steps: [{ token, referenceToken: 1, kl: 0, squaredError: 0 }],
    }));
  const few = comparePolicies(policy("a", one(1)), policy("b", one(0)), OPTIONS);
  assertEquals(few.quality_main.estimate, 60);
  assertEquals(few.quality_main.shown, false);
  assertEquals(few.task_score.shown, false);
});

Deno.test("a seed repeats a comparison and another seed moves its interval", () => {
  const a = policy("a", drawExamples(30, GOOD, 6));
  const b = policy("b", drawExamples(30, BAD, 7));
  assertEquals(comparePolicies(a, b, OPTIONS), comparePolicies(a, b, OPTIONS));
  const other = comparePolicies(a, b, { ...OPTIONS, seed: 6 });
  assertEquals(
    other.quality_main.estimate,
    comparePolicies(a, b, OPTIONS).quality_main.estimate,
  );
  assert(other.quality_main.low !== comparePolicies(a, b, OPTIONS).quality_main.low);
});

Deno.test("exchanging the policies turns the interval around", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 2, max: 20 }), (seed, count) => {
      const a = policy("a", drawExamples(count, GOOD, seed));
      const b = policy("b", drawExamples(count, BAD, seed + 1));
      const options = { seed: 1, resamples: 100 };
      const forth = comparePolicies(a, b, options);
      const back = comparePolicies(b, a, options);
      for (const field of ["quality_main", "task_score"] as const) {
        assertAlmostEquals(forth[field].estimate, -back[field].estimate, 1e-9);
        assertAlmostEquals(forth[field].low, -back[field].high, 1e-9);
        assertEquals(forth[field].shown, back[field].shown);
      }
      assertEquals(forth.mcnemar_p, back.mcnemar_p);
    }),
    { numRuns: 30 },
  );
});

Deno.test("the order of the examples does not matter for the estimate", () => {
  const a = drawExamples(20, GOOD, 8);
  const b = drawExamples(20, BAD, 9);
  const straight = comparePolicies(policy("a", a), policy("b", b), OPTIONS);
  const turned = comparePolicies(policy("a", a), policy("b", b.toReversed()), OPTIONS);
  assertEquals(straight, turned);
});

Deno.test("only examples of both policies count", () => {
  const a = drawExamples(20, GOOD, 10);
  const comparison = comparePolicies(
    policy("a", a),
    policy("b", drawExamples(12, BAD, 11)),
    OPTIONS,
  );
  assertEquals(comparison.examples, 12);
  const strange = a.map((e) => ({ ...e, id: `other ${e.id}` }));
  const error = assertThrows(
    () => comparePolicies(policy("a", a), policy("b", strange), OPTIONS),
    InternalError,
  );
  assert(error.message.includes(`"a" and "b" have no example in common`));
});

Deno.test("the interval covers the true difference about as often as it says", () => {
  // Both policies come from one law, so the true difference is 0; 95 % of the intervals should
  // contain it, and few-example intervals may be somewhat conservative.
  let covered = { quality_main: 0, task_score: 0 };
  const runs = 400;
  for (let i = 0; i < runs; i++) {
    const chances = { ...BAD, exact: 0.6 };
    const comparison = comparePolicies(
      policy("a", drawExamples(32, chances, 1000 + 2 * i)),
      policy("b", drawExamples(32, chances, 1001 + 2 * i)),
      { seed: i, resamples: 400 },
    );
    covered = {
      quality_main: covered.quality_main + Number(!comparison.quality_main.shown),
      task_score: covered.task_score + Number(!comparison.task_score.shown),
    };
  }
  // Three standard errors of a share of 0.95 in 400 runs are 0.033.
  for (const count of Object.values(covered)) {
    assert(count / runs > 0.917 && count / runs < 0.99, `covered ${count} of ${runs}`);
  }
});
