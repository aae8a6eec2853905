/** Texts under policies, and replies that are decoded from a policy's own cache. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { UserError } from "../../errors.ts";
import { open, partsOf } from "../../evaluation/lab.ts";
import { textWindows } from "../../evaluation/text_windows.ts";
import { defaultPolicies, policies, type PolicyName } from "../../policies/registry.ts";
import { moreFields } from "../../report/more_fields.ts";

const TEXT = "The lamp is kept in box 12 and the coin in box 7. ".repeat(12);

Deno.test("a text is scored window by window, and full precision loses nothing", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const sizes = { window: 64, from: 32, every: 3, limit: 2 };
  const { results } = await lab.perplexity(TEXT, ["reference", "uniform_quant_2bit"], sizes);
  const [exact, coarse] = results.map(({ outcomes }) => outcomes);
  assertEquals(exact!.map(({ id, nll }) => [id, nll!.length]), [["window-0", 11], [
    "window-1",
    11,
  ]]);
  for (const [i, { nll, referenceNll }] of exact!.entries()) {
    nll!.forEach((loss, k) => assertAlmostEquals(loss, referenceNll![k]!, 1e-4));
    assertEquals(referenceNll, coarse![i]!.referenceNll);
  }
  const fields = moreFields(coarse!);
  assert(fields.mean_nll !== fields.mean_nll_ref && fields.mean_kl! > 0.01);
  assertAlmostEquals(fields.perplexity!, Math.exp(fields.mean_nll!), 1e-9);
  assertEquals(results[0]!.numbers.greedy_match_ratio, 1);
  // The score of a text is the share of its tokens that are predicted.
  const ids = partsOf(lab).model.tokenizer.encode(TEXT);
  for (const { outcomes } of results) {
    const right = outcomes[0]!.steps.filter(({ step, token }) => token === ids[32 + step + 1]);
    assertEquals(outcomes[0]!.score, right.length / 11);
  }
});

Deno.test("windows tile what is scored, and the last may be shorter", () => {
  const ids = Array.from({ length: 100 }, (_, i) => i);
  const scored = textWindows(ids, { window: 40, from: 10, every: 1 }).flatMap(({ ids, from }) =>
    ids.slice(from, -1)
  );
  assertEquals(scored, ids.slice(10, -1));
});

Deno.test("a text that cannot be scored is refused", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const wrong: [text: string, options: object, error: typeof UserError, message: string][] = [
    ["Hi", {}, BenchmarkError, "expected more than 257, of which 256 come before"],
    [
      TEXT,
      { window: 8, from: 8 },
      BenchmarkError,
      "The first scored position is 8 in a window of 8",
    ],
    [3 as unknown as string, {}, BenchmarkError, "The text is 3; expected text"],
    [TEXT, { maxNewTokens: 3 }, UserError, "There is no option maxNewTokens"],
  ];
  for (const [text, options, error, message] of wrong) {
    await assertRejects(() => lab.perplexity(text, "reference", options), error, message);
  }
});

/** The default ones, and one of every other family of a paper. */
const POLICIES: readonly PolicyName[] = [
  ...defaultPolicies,
  ...["qaq_attention", "squat_2bit", "kvquant_nuq2_1pct", "turboquant_3bit"] as const,
  ...["hf_quanto_4bit", "hf_hqq_4bit"] as const,
];

Deno.test("policies decode from their own caches, the reference its own reply", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const prompt = "A machine uses 7 watts. How many joules does it use in 5 seconds?";
  const question = { prompt, score: (reply: string) => Number(reply.includes("35")) };
  const options = { generate: true, maxNewTokens: 20 };
  const { results, failures } = await lab.replay(question, POLICIES, options);
  assertEquals([failures.length, results.length], [0, POLICIES.length]);
  for (const { policy, outcomes: [outcome] } of results) {
    const { generated, steps, score } = outcome!;
    // Both predict the first token from the same cache.
    assertEquals(generated!.tokens[0], steps[0]!.token, policy);
    if (policy !== "reference") continue;
    assertEquals(generated!.tokens, steps.map(({ referenceToken }) => referenceToken));
    assertEquals([generated!.divergence, generated!.score], [null, score]);
  }
  const oneBit = { ...policies.uniform_quant_2bit(), choose_bits: () => 1 };
  const { outcomes } = await lab.replay(question, oneBit, options);
  const { tokens, divergence } = outcomes[0]!.generated!;
  const reference = outcomes[0]!.steps.map(({ referenceToken }) => referenceToken);
  assertEquals(tokens.slice(0, divergence!), reference.slice(0, divergence!));
  assert(tokens[divergence!] !== reference[divergence!]);
  const fields = moreFields(outcomes);
  assertEquals([fields.generated_diverged, fields.generated_same_tokens], [1, divergence]);
  assertEquals(fields.generated_invalid_ref, 0);
});
