/** Whether task scores can judge a policy. */
import { assertEquals, assertMatch } from "@std/assert";
import { canJudge, capabilityOf, capabilityRemarks } from "../../report/capability.ts";
import { moreFields } from "../../report/more_fields.ts";
import { result } from "./sample_result.ts";

const [sample] = result.results;
const withReplies = (referenceCut: boolean, score: number) => ({
  ...result,
  results: [{
    ...sample!,
    numbers: { ...sample!.numbers, task_score_ref: score },
    outcomes: sample!.outcomes.map((outcome) => ({ ...outcome, referenceCut })),
  }],
});

Deno.test("replies that are cut and scores of guessing are told", () => {
  const remarks = (referenceCut: boolean, score: number, floor: number) => {
    const capability = capabilityOf(withReplies(referenceCut, score), floor)!;
    return [canJudge(capability), ...capabilityRemarks("gsm8k", capability, 160)];
  };
  assertEquals(remarks(false, 40, 25), [true]);
  const [judges, cut, low] = remarks(true, 25, 25);
  assertEquals(judges, false);
  assertEquals(
    cut,
    "Slice gsm8k: 1 of 1 replies in full precision were cut at 160 tokens (--max-new-tokens)",
  );
  assertMatch(String(low), /scores 25\.0, which is no more than the 25 of guessing, so that task/);
  assertEquals(remarks(false, 0, 0).length, 2);
});

Deno.test("a text has no replies that could be cut", () => {
  const outcomes = sample!.outcomes.map((outcome) => ({
    ...outcome,
    nll: [1, 3],
    referenceNll: [1, 2],
  }));
  assertEquals(capabilityOf({ ...result, results: [{ ...sample!, outcomes }] }, 0), undefined);
  const { mean_nll, mean_nll_ref, perplexity, replies_cut } = moreFields(outcomes);
  assertEquals([mean_nll, mean_nll_ref, perplexity, replies_cut], [2, 1.5, Math.exp(2), undefined]);
});
