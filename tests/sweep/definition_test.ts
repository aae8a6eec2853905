import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import { enginePolicies, policyNames } from "../../policies/registry.ts";
import { cellsOf, checkedSweep, parseSweep, sweepId } from "../../sweep/definition.ts";

Deno.test("an empty mapping is every built-in on every benchmark and embedded model", () => {
  const sweep = parseSweep("{}", "a.yaml");
  assertEquals(sweep.policies, policyNames);
  assertEquals(sweep.named, []);
  assertEquals([sweep.baseline, sweep.seeds, sweep.limit], ["kivi_overlap_4bit", [0], null]);
  assertEquals(cellsOf(sweep).length, 2 * 3 * policyNames.length);
});

Deno.test("sets of policies, sizes of groups, and which policies fail where they do not apply", () => {
  const sweep = parseSweep(
    "models: mini\npolicies: [engines, kivi_overlap_2bit@g32]\nbenchmarks: needle\nlimit: 3",
    "a.yaml",
  );
  assertEquals(sweep.policies, ["reference", ...enginePolicies, "kivi_overlap_2bit@g32"]);
  assertEquals(sweep.named, ["kivi_overlap_2bit@g32"]);
  assertEquals(sweep.limit, 3);
});

Deno.test("what was read says the same when it is read again, and has the same address", async () => {
  const sweep = parseSweep('{"policies": ["all", "kivi_overlap_4bit"], "seeds": [3, 1, 3]}', "a");
  assertEquals(sweep.seeds, [3, 1]);
  const again = checkedSweep(JSON.parse(JSON.stringify(sweep)), "record");
  assertEquals(again, sweep);
  assertEquals(await sweepId(again), await sweepId(sweep));
  const other = await sweepId(parseSweep('{"seeds": [1]}', "a"));
  assertEquals(other === await sweepId(sweep), false);
});

Deno.test("what is wrong is told with its field and its value", () => {
  const wrong: [text: string, message: string][] = [
    ["- mini", "a.yaml holds"],
    ["models: [", "a.yaml is neither YAML nor JSON"],
    ["policy: all", 'a.yaml has the field "policy"; a sweep has models, benchmarks, '],
    ["models: []", "a.yaml, models: is an empty list"],
    ["models: [3]", "a.yaml, models: is 3; expected a text"],
    ["benchmarks: haystack", 'a.yaml, benchmarks: is "haystack"; expected longbench, needle, '],
    ["policies: [nope]", 'a.yaml, policies: is "nope"; expected all, engines, or reference, '],
    ["seeds: [-1]", "a.yaml, seeds: is -1; expected a whole number from 0 to 4294967295"],
    ["seeds: [0.5]", "a.yaml, seeds: is 0.5"],
    ["limit: 0", "a.yaml, limit: is 0; expected a whole number from 1"],
    ["budget_bits: 9", "a.yaml, budget_bits: is 9; expected a whole number from 1 to 8"],
    ["device: gpu", 'a.yaml, device: is "gpu"; expected auto, '],
    [
      "policies: [kivi_overlap_2bit]\nbaseline: kivi_overlap_4bit",
      'baseline: "kivi_overlap_4bit" is not among the policies; expected one of reference, kivi_',
    ],
    [
      `seeds: [${Array.from({ length: 500 }, (_, i) => i).join()}]`,
      `cells; a sweep has at most 100000`,
    ],
  ];
  for (const [text, message] of wrong) {
    assertThrows(() => parseSweep(text, "a.yaml"), UserError, message);
  }
});
