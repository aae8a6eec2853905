/** Layers that an engine leaves as they are, and what is outside the budget. */
import { assertEquals, assertRejects } from "@std/assert";
import { open } from "../../evaluation/lab.ts";
import { PolicyError } from "../../policies/check.ts";
import type { Policy } from "../../policies/policy.ts";
import { vllmFp8E4m3 } from "../../policies/vllm.ts";

Deno.test("layers that are skipped stay in 16 bits, counted and audited", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const policy = vllmFp8E4m3({ first: 1, last: 2 });
  const options = { maxNewTokens: 2, audit: true };
  const { widths, numbers, outsideBudget, audit } = await lab.replay(
    { prompt: "Why?" },
    policy,
    options,
  );
  assertEquals(widths.map(([key]) => key![0]), [16, 8, 8, 8, 8, 8, 16, 16]);
  assertEquals(numbers.avg_bits_per_kv_token, (3 * 16 + 5 * 8) / 8);
  assertEquals([numbers.code_bits, outsideBudget], [8, true]);
  assertEquals(audit!.tensors.map(({ family }) => family).slice(0, 3), ["exact", "exact", "fp8"]);
});

Deno.test("a policy of one's own may say that it is outside the budget", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const wide = (outside_budget: boolean, bits: number): Policy => ({
    outside_budget,
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    calibration_mode: () => "none",
  });
  const replay = (policy: Policy) => lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
  assertEquals((await replay(wide(true, 6))).numbers.code_bits, 6);
  await assertRejects(() => replay(wide(false, 6)), PolicyError, "over the budget of 4");
  await assertRejects(() => replay(wide(true, 17)), PolicyError, "over the budget of 16");
});
