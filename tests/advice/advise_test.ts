/** Advice on settings of engines, and how it is told. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { adviceByEngine, type JudgedSetting } from "../../advice/advice.ts";
import { advicePage } from "../../advice/advice_page.ts";
import { adviceText } from "../../advice/advice_text.ts";
import { advise } from "../../advice/advise.ts";
import { loadSlice } from "../../benchmarks/slices.ts";
import { open } from "../../evaluation/lab.ts";
import { engineSettings } from "../../policies/engine_settings.ts";
import { enginePolicies } from "../../policies/registry.ts";

Deno.test("settings are judged by what they lose, and the one that breaks says where", async () => {
  await using lab = await open("mini-outlier", { device: "cpu" });
  const settings = engineSettings.filter(({ policy }) =>
    ["llamacpp_q8_0", "llamacpp_q4_0_unrotated", "sglang_fp4"].includes(policy)
  );
  const slices = [{
    name: "reasoning",
    examples: (await loadSlice("reasoning")).slice(0, 2),
    maxNewTokens: 6,
  }];
  const advice = await advise(lab, { settings, slices, mostLoss: 0.05, context: 1024 });
  // 8 layers, keys and values, 2 heads of 64 channels; 34 bytes for 32 entries.
  const entries = 1024 * 8 * 2 * 2 * 64;
  assertEquals([advice.fullBytes, advice.examples], [2 * entries, 2]);
  const of = (policy: string) => advice.settings.find((setting) => setting.policy === policy)!;
  assertAlmostEquals(of("llamacpp_q8_0").bytes, entries * 34 / 32);
  assertAlmostEquals(of("llamacpp_q4_0_unrotated").bytes, entries * 18 / 32);
  assert(of("llamacpp_q8_0").loss < 0.05 && of("llamacpp_q8_0").breaks === undefined);
  for (const policy of ["llamacpp_q4_0_unrotated", "sglang_fp4"]) {
    const { loss, interval: { low, high }, breaks, worst } = of(policy);
    assert(loss > 0.05 && low <= loss && loss <= high, `${policy} ${loss}`);
    assert(breaks !== undefined && breaks.loss > 0 && breaks.loss < 100, policy);
    assert(
      breaks.layer >= 0 && breaks.layer < 8 &&
        slices[0]!.examples.some(({ id }) => id === breaks.example),
    );
    assert(worst.loss >= loss - 1e-9);
  }
  const text = adviceText(advice);
  assertStringIncludes(text, "llama.cpp: --cache-type-k q8_0 --cache-type-v q8_0 loses ");
  assertStringIncludes(
    text,
    "sglang: leave the cache as it is: no setting is sure to lose at most 0.05 points",
  );
  const { layer, kind } = of("sglang_fp4").breaks!;
  assertStringIncludes(
    text,
    `breaks on ${of("sglang_fp4").worst.dataset}, first in the ${kind}s of layer ${layer}`,
  );
  const page = advicePage(advice, "<mini>");
  assertStringIncludes(page, "Cache settings for &lt;mini&gt;");
  assertEquals([...page.matchAll(/<circle /g)].length, 3);
  for (const { policy } of settings) assertStringIncludes(page, `data-policy="${policy}"`);
});

Deno.test("the smallest setting that is sure to keep to the bound is advised", () => {
  const judged = (bytes: number, loss: number, high: number): JudgedSetting => ({
    ...{ engine: "mlx", flags: `${bytes}`, policy: "mlx_kv4", bits: 4, bytes, loss },
    ...{ interval: { low: 0, high }, worst: { dataset: "passkey", loss } },
  });
  const advised = (...settings: JudgedSetting[]) => {
    const [{ setting, perhaps }] = adviceByEngine({ settings, mostLoss: 1 }) as [
      ReturnType<typeof adviceByEngine>[number],
    ];
    return [setting?.bytes, perhaps?.bytes];
  };
  assertEquals(advised(judged(9, 0, 0.1), judged(5, 0.5, 0.9), judged(3, 2, 3)), [5, undefined]);
  assertEquals(advised(judged(9, 0, 0.1), judged(5, 0.5, 1.1)), [9, 5]);
  assertEquals(advised(judged(9, 2, 3)), [undefined, undefined]);
  assertEquals(advised(judged(9, 0.9, 3)), [undefined, 9]);
});

Deno.test("every setting of an engine has a policy, and its flags stand in docs/engines.md", async () => {
  assertEquals(
    engineSettings.map(({ policy }) => policy).toSorted(),
    [...enginePolicies].toSorted(),
  );
  const doc = await Deno.readTextFile(new URL("../../docs/engines.md", import.meta.url));
  for (const { policy, flags } of engineSettings) {
    const row = doc.split("\n").find((line) => line.includes(`| \`${policy}\``))!;
    // The document says once what the unrotated one is the same as.
    const named = policy === "llamacpp_q4_0_unrotated"
      ? ["LLAMA_ATTN_ROT_DISABLE=1"]
      : flags.split("=");
    for (const part of named) assertStringIncludes(row, part);
  }
});
