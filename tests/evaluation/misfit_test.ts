/** What does not apply to a model is told from its sizes. */
import { assertEquals, assertMatch } from "@std/assert";
import { misfitOf } from "../../evaluation/misfit.ts";
import { InProcessHost } from "../../policies/host.ts";
import { hostBuiltin, policyNames } from "../../policies/registry.ts";
import { uniformQuant4bit } from "../../policies/uniform_quant.ts";
import { builtInFamilies } from "../../quant/registry.ts";

const MINI = {
  ...{ layers: 8, hidden: 256, queryHeads: 4, kvHeads: 2, headDim: 64 },
  ...{ vocab: 2048, maxPositions: 8192 },
};

const on = (changes: Partial<typeof MINI>, budgetBits = 4) => ({
  shape: { ...MINI, ...changes },
  families: builtInFamilies,
  budgetBits,
});

Deno.test("every built-in applies to the embedded model", async () => {
  for (const name of policyNames) {
    assertEquals(await misfitOf(hostBuiltin(name), on({})), undefined, name);
  }
});

Deno.test("a built-in that does not apply says what of the model it cannot do", async () => {
  const cases: [string, Partial<typeof MINI>, RegExp][] = [
    ["skvq_overlap_2bit", { kvHeads: 3 }, /a group of 128 does not divide the 192 channels of all/],
    ["skvq_full_2bit", { kvHeads: 1, headDim: 96 }, /a group of 128 does not divide the 96 /],
    [
      "kivi_overlap_4bit",
      { headDim: 80 },
      /a group of 32 does not divide the 80 channels of a hea/,
    ],
    ["squat_2bit", { headDim: 72 }, /a group of 32 does not divide the 72 channels of a head/],
    ["kvtuner_kivi", { layers: 30 }, /is for 8 layers, but the model has 30; a replay takes one/],
  ];
  for (const [name, shape, sentence] of cases) {
    const host = hostBuiltin(name as "kvtuner_kivi");
    assertMatch(await misfitOf(host, on(shape)) ?? "", sentence);
  }
});

Deno.test("a group size makes a policy apply, or keeps it from that", async () => {
  const smol = on({ kvHeads: 3 });
  assertEquals(await misfitOf(hostBuiltin("skvq_overlap_2bit@g64"), smol), undefined);
  assertMatch(
    await misfitOf(hostBuiltin("kivi_overlap_2bit@g48"), smol) ?? "",
    /a group of 48 does not divide the 64 channels/,
  );
});

Deno.test("a width over the budget does not apply either", async () => {
  const host = hostBuiltin("uniform_quant_4bit");
  assertMatch(
    await misfitOf(host, on({}, 2)) ?? "",
    /4 bits for layer 0 key, over the budget of 2/,
  );
});

Deno.test("what learns first, and what is not ours, only a run can tell", async () => {
  assertEquals(await misfitOf(hostBuiltin("adaptive"), on({ headDim: 80 })), undefined);
  const own = new InProcessHost("mine", { ...uniformQuant4bit(), group_size: () => 7 });
  assertEquals(await misfitOf(own, on({})), undefined);
});
