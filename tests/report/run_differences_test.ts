/** Two runs beside each other, from the files that they leave. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import type { PolicyResult } from "../../evaluation/results.ts";
import { resultFiles } from "../../report/result_files.ts";
import { runDifferences } from "../../report/run_differences.ts";
import { differencesText } from "../../report/run_differences_text.ts";
import { type SavedRun, savedRun } from "../../report/saved_run.ts";
import { result } from "./sample_result.ts";
import { run } from "./sample_run.ts";

const [reference, coarse] = result.results as [PolicyResult, PolicyResult];

/** A run of these policies, through its files. */
function saved(results: readonly PolicyResult[], described = run): SavedRun {
  const reports = [{ data: null, max_new_tokens: 32, result: { ...result, results } }];
  const files = resultFiles(described, reports);
  return savedRun(files["metrics.json"]!, files["steps.jsonl"]!, "out/a");
}

/** The policy with another reply, whose second token is another. */
function replying(policy: PolicyResult, reply: string): PolicyResult {
  const [outcome] = policy.outcomes;
  const steps = outcome!.steps.map((step, i) => i === 1 ? { ...step, token: 99 } : step);
  return { ...policy, outcomes: [{ ...outcome!, reply, score: 0, steps }] };
}

Deno.test("a run is read back as it was, steps included", () => {
  const { described, slices } = saved(result.results);
  assertEquals([described.model, described.seed, described.partial], [run.model, run.seed, false]);
  assertEquals(slices.map(({ slice }) => slice), ["needle"]);
  for (const [i, { policy, examples }] of slices[0]!.policies.entries()) {
    const { outcomes: [outcome], ...told } = result.results[i]!;
    assertEquals([policy, examples.length], [told.policy, 1]);
    assertEquals(examples[0], {
      id: outcome!.id,
      score: outcome!.score,
      referenceScore: outcome!.referenceScore,
      reply: outcome!.reply,
      referenceReply: outcome!.referenceReply,
      steps: outcome!.steps.map(({ token, referenceToken, kl, squaredError }) => ({
        ...{ token, referenceToken, kl, squaredError },
      })),
    });
  }
});

Deno.test("a run does not differ from itself", () => {
  const { described, policies } = runDifferences(saved(result.results), saved(result.results));
  assertEquals(described, []);
  assertEquals(policies.map(({ examples }) => examples), [[], []]);
  assertEquals(policies.map(({ comparison }) => comparison.quality_main.estimate), [0, 0]);
});

Deno.test("replies that differ stand side by side, with the step where they part", () => {
  const a = saved([reference, coarse]);
  const b = saved([reference, replying(coarse, "98 \u001b[31m 76 and more words")], {
    ...run,
    device: "wasm",
  });
  const differences = runDifferences(a, b);
  assertEquals(differences.described, [{ name: "device", a: "cpu", b: "wasm" }]);
  const [same, other] = differences.policies;
  assertEquals([same!.examples.length, other!.examples.length], [0, 1]);
  assertEquals(other!.examples[0]!.firstStep, 1);
  assertEquals(other!.comparison.task_score.estimate, 100);
  const text = differencesText(differences, { limit: 10, columns: 43 });
  assertStringIncludes(text, 'device: A "cpu", B "wasm"');
  assertStringIncludes(text, "1 of 1 examples differ");
  assertStringIncludes(text, "needle-000: apart from step 1\nfull precision 100.0: 12 34\n");
  const at = text.indexOf("A 100.0");
  assertEquals(text.slice(at).split("\n").slice(0, 3), [
    "A 100.0              | B 0.0",
    "12 34                | 98 \\u001b[31m 76 and",
    "                     | more words",
  ]);
  assert(!text.includes("\u001b"));
  assertStringIncludes(
    differencesText(differences, { limit: 0, columns: 80 }),
    "1 more (--limit N)",
  );
});

Deno.test("generated replies are compared where both runs have them", () => {
  const generating = (reply: string): SavedRun =>
    saved(result.results.map((policy) => ({
      ...policy,
      outcomes: policy.outcomes.map((outcome) => ({
        ...outcome,
        generated: {
          ...{ reply, tokens: [1], cut: false, score: 0, divergence: 0 },
          ...{ valid: true, referenceValid: true },
        },
      })),
    })));
  const replayed = saved(result.results);
  for (const [a, b] of [[replayed, generating("12")], [generating("12"), replayed]] as const) {
    assertEquals(runDifferences(a, b).policies.map(({ examples }) => examples), [[], []]);
  }
  const differences = runDifferences(generating("12"), generating("34"));
  assertEquals(differences.policies.map(({ examples }) => examples.length), [1, 1]);
  assertStringIncludes(differencesText(differences, { limit: 1, columns: 43 }), "A generated ");
});

Deno.test("a policy is compared with any policy of the other run", () => {
  const both = saved(result.results);
  const { policies } = runDifferences(both, both, { policies: ["reference"], with: "kivi, 2 bit" });
  assertEquals(policies.map(({ comparison: { a, b } }) => [a, b]), [["reference", "kivi, 2 bit"]]);
  assertEquals(runDifferences(both, both, { with: "none" }).policies, []);
});

Deno.test("what is no run is refused, with the place", () => {
  const files = resultFiles(run, [{ data: null, max_new_tokens: 32, result }]);
  const [metrics, steps] = [files["metrics.json"]!, files["steps.jsonl"]!];
  const wrong: [metrics: string, steps: string, message: RegExp][] = [
    ["{", steps, /^out\/a\/metrics\.json is not JSON: /],
    ["[]", steps, /^out\/a\/metrics\.json is no object; expected what a run with --out writes$/],
    [metrics.replace('"reply": "12 34"', '"reply": 3'), steps, /, 0, reply is no text; expected /],
    [metrics, steps.replace('"kl":0,', '"kl":"x",'), /^out\/a\/steps\.jsonl:1, kl is no number; /],
    [metrics, "", /metrics\.json, slices, 0, .* has no line in steps\.jsonl; expected one a step$/],
  ];
  for (const [metrics, steps, message] of wrong) {
    const error = assertThrows(() => savedRun(metrics, steps, "out/a"), UserError);
    assertMatch(error.message, message);
  }
});
