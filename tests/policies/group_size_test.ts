import { assert, assertEquals } from "@std/assert";
import { nameAndGroup, withGroupSize } from "../../policies/group_size.ts";
import { InProcessHost } from "../../policies/host.ts";
import { groupsOf, hostBuiltin, isBuiltinName, policyNames } from "../../policies/registry.ts";
import { DEFAULT_WORK } from "../../sandbox/limits.ts";
import { uniformQuant2bit } from "../../policies/uniform_quant.ts";

const QUESTION = {
  budget: {
    ...{ budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null },
    ...{ layers: 8, kv_heads: 2, head_dim: 64 },
  },
  request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
  stats: () => {
    throw new Error("these policies read no statistics");
  },
};

Deno.test("a size is taken off a name, and nothing else is", () => {
  const cases: [string, string, number | undefined][] = [
    ["squat_2bit@g64", "squat_2bit", 64],
    ["./my@g/mine.ts@g7", "./my@g/mine.ts", 7],
    ["./mine@g64.ts", "./mine@g64.ts", undefined],
    ["squat_2bit@g0", "squat_2bit@g0", undefined],
    ["squat_2bit@g", "squat_2bit@g", undefined],
    ["squat_2bit@g16777217", "squat_2bit@g16777217", undefined],
  ];
  for (const [text, name, groupSize] of cases) {
    assertEquals(nameAndGroup(text), groupSize === undefined ? { name } : { name, groupSize });
  }
});

Deno.test("a built-in that has groups answers with the size in its name, and is the same else", async () => {
  const without: string[] = [];
  for (const name of policyNames) {
    if (groupsOf(name).length === 0) {
      assert(!isBuiltinName(`${name}@g32`), name);
      without.push(name);
      continue;
    }
    const host = hostBuiltin(`${name}@g32`);
    assertEquals(host.name, `${name}@g32`);
    const [grouped, plain] = await Promise.all(
      [host, hostBuiltin(name)].map((h) => h.plan(QUESTION)),
    );
    for (const [i, raw] of grouped!.entries()) {
      const { optional, ...rest } = plain![i]!;
      assertEquals(raw, { ...rest, optional: { ...optional, group_size: 32 } }, name);
    }
  }
  assert(["reference", "adaptive", "qaq_uniform"].every((name) => without.includes(name)));
});

Deno.test("a policy of one's own keeps everything else that it is", async () => {
  const own = new InProcessHost("mine", { ...uniformQuant2bit(), calibrate: () => 7 });
  const limited = Object.assign(own, { work: DEFAULT_WORK, claimed: true });
  const host = withGroupSize(limited, 16);
  assertEquals([host.work, host.claimed], [DEFAULT_WORK, true]);
  assertEquals([host.name, host.calibrates, host.fullPrecision], ["mine@g16", true, false]);
  assertEquals(host.hooks, [...own.hooks, "group_size"]);
  assertEquals(host.verifyDeterminism, undefined);
  const [first] = await host.plan(QUESTION);
  assertEquals(first?.optional.group_size, 16);
});
