/** Policies that answer by layer, where a family codes layers together. */
import { assertEquals, assertRejects } from "@std/assert";
import { open } from "../../evaluation/lab.ts";
import { policies } from "../../policies/registry.ts";
import type { Policy } from "../../policies/policy.ts";
import { UserError } from "../../errors.ts";

Deno.test("settings of its own for a layer are refused in one sentence where layers are coded together", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const together: Policy = {
    quantizer_family: () => "qaq",
    quantization_level: () => "token",
    choose_bits: () => 2,
    choose_axis: () => "token",
    residual_length: () => 0,
    calibration_mode: () => "none",
  };
  const replay = (policy: Policy) => lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
  assertEquals((await replay(together)).numbers.steps, 2);
  const refused: [Policy, string][] = [
    [
      { ...together, choose_bits: (layer) => layer === 3 ? 4 : 2 },
      'Layer 0 keys: family "qaq" codes layers together here, but layer 3 has other settings; ' +
      "give every layer the same",
    ],
    [
      {
        ...together,
        quantizer_family: (_layer, kind) => kind === "key" ? "uniform" : "qaq",
        residual_length: (layer) => layer === 7 ? 8 : 0,
      },
      'Layer 0 values: family "qaq" codes layers together here, but layer 7',
    ],
    [
      { ...policies.kvtc_8x(), residual_length: (layer) => layer < 2 ? 128 : 64 },
      'Layer 0 keys: family "kvtc" codes layers together here, but layer 2',
    ],
    [
      { ...policies.aquakv_2bit(), choose_bits: (layer) => layer === 0 ? 4 : 2 },
      'Layer 0 keys: family "aquakv" codes layers together here, but layer 1 has other settings',
    ],
    [
      { ...policies.aquakv_2bit(), choose_bits: (_layer, kind) => kind === "key" ? 3 : 2 },
      'Layer 0 keys: family "aquakv" predicts values from keys, but the other kind has other ' +
      "settings; give keys and values the same",
    ],
    [
      {
        ...policies.aquakv_2bit(),
        quantizer_family: (_layer, kind) => kind === "key" ? "kvtc" : "aquakv",
      },
      'Layer 0 values: family "aquakv" predicts values from keys',
    ],
  ];
  for (const [policy, message] of refused) {
    await assertRejects(() => replay(policy), UserError, message);
  }
});
