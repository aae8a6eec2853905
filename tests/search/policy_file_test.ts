/** A written policy, read back through the sandbox and asked for its whole plan. */
import { builtInFamilies } from "../../quant/registry.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { StepQuestion } from "../../policies/ask.ts";
import { openPolicyFile } from "../../policies/user_policy.ts";
import { BaseFamily } from "../../search/base_family.ts";
import { policyFileText } from "../../search/policy_file.ts";
import type { WidthPlan } from "../../search/width_plan.ts";

const plan: WidthPlan = { key: [[4, 3], [2, 1]], value: [[1, 2], [8, 8]] };
const shape = { kvHeads: 2, headDim: 64 };
const origin = {
  model: "acme/Wide-0.1B",
  modelCommit: "4".repeat(40),
  modelHash: "0123abcd",
  samples: ["calibration-needle-0"],
  heldOut: ["calibration-needle-1"],
  budgetBits: 3.7,
  verdict: "every lane at 2 is written",
  command: "kvreplay search --budget-bits 3.7",
};
const question: StepQuestion = {
  budget: {
    budget_bits: 8,
    used_bits: 0,
    remaining_bits: 8,
    step: 0,
    total_steps: null,
    layers: 2,
    kv_heads: 2,
    head_dim: 64,
  },
  request: {
    slice: "needle",
    dataset: "needle",
    prompt_tokens: 5,
    cache_tokens: 4,
    max_new_tokens: 8,
  },
  stats: () => {
    throw new Error("a written plan needs no statistics");
  },
};

Deno.test("the file gives exactly the plan", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const base = new BaseFamily(
      builtInFamilies,
      { family: "kivi", groupSize: 16, residualLength: 48 },
      shape,
      8,
    );
    await Deno.writeTextFile(`${folder}/plan.ts`, policyFileText(plan, base, origin));
    const host = await openPolicyFile(`${folder}/plan.ts`);
    try {
      assertEquals([host.name, host.calibrates], ["plan", false]);
      const answers = await host.plan(question);
      const answer = (layer: number, kind: "key" | "value") => ({
        layer,
        kind,
        bits: [...plan[kind][layer]!],
        axis: kind === "key" ? "channel" : "token",
        residual: 48,
        optional: { quantizer_family: "kivi", group_size: 16 },
      });
      assertEquals<unknown>(
        answers,
        [0, 1].flatMap((layer) => [answer(layer, "key"), answer(layer, "value")]),
      );
    } finally {
      await host.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the comment says where the plan comes from, and no name can end it", () => {
  const base = new BaseFamily(
    builtInFamilies,
    { family: "turboquant", residualLength: 8 },
    shape,
    4,
  );
  const text = policyFileText(plan, base, { ...origin, model: "my/*/model\n*/ throw 1; /*" });
  assertEquals(text.indexOf("*/"), text.indexOf("\n */") + 2);
  for (
    const said of [
      "0123abcd",
      "commit 4444",
      "calibration-needle-0",
      "held out: calibration-needle-1",
      "3.7 code bits",
      "verdict:  every lane at 2 is written",
    ]
  ) {
    assertStringIncludes(text, said);
  }
  assertStringIncludes(text, "replay with --budget-bits 8");
  assert(!text.includes("group_size"), "a group size that was not chosen is the family's own");
  assertStringIncludes(text, "throw 1");
});
