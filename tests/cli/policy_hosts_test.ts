import { assertEquals, assertStringIncludes } from "@std/assert";
import { openPolicies } from "../../cli/policy_hosts.ts";
import { parseReplayOptions } from "../../cli/replay_options.ts";

/** Opens `kvtuner_kivi` with `--kvtuner-table` naming a file of this text. */
async function opened(text: string | undefined) {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    if (text === undefined) await Deno.remove(file);
    else await Deno.writeTextFile(file, text);
    const args = ["--policy", "kvtuner_kivi,uniform_quant_4bit", "--kvtuner-table", file];
    const options = parseReplayOptions("needle", args)!;
    assertEquals(options.kvtunerTable, file);
    return await openPolicies(options, () => {});
  } finally {
    if (text !== undefined) await Deno.remove(file);
  }
}

Deno.test("--kvtuner-table gives kvtuner_kivi another table", async () => {
  const { hosts, failures } = await opened("0: {nbits_key: 2, nbits_value: 4}");
  assertEquals(failures, []);
  assertEquals(hosts.map(({ name }) => name), ["kvtuner_kivi", "uniform_quant_4bit"]);
  const answers = await hosts[0]!.plan({
    budget: {
      budget_bits: 4,
      used_bits: 0,
      remaining_bits: 4,
      step: 0,
      total_steps: null,
      layers: 1,
      kv_heads: 2,
      head_dim: 64,
    },
    request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
    stats: () => {
      throw new Error("kvtuner_kivi reads no statistics");
    },
  });
  assertEquals(answers.map(({ bits }) => bits), [[2, 2], [4, 4]]);
});

Deno.test("a table that cannot be used is the failure of that policy alone", async () => {
  for (
    const [text, says] of [
      ["0: {nbits_key: 5, nbits_value: 4}", "nbits_key is 5; it must be one of 2, 4, 8"],
      [undefined, "does not exist; it was looked for at "],
      [" ".repeat(4 * 2 ** 20 + 1), "has more than 4194304 bytes; a table has fewer"],
    ] as const
  ) {
    const { hosts, failures } = await opened(text);
    assertEquals(hosts.map(({ name }) => name), ["uniform_quant_4bit"]);
    assertEquals(failures.map(({ policy }) => policy), ["kvtuner_kivi"]);
    assertStringIncludes(failures[0]!.reason, says);
  }
});

Deno.test("why a policy cannot be opened is told once, also where nothing else is left to run", async () => {
  const told = async (policies: string) => {
    const said: string[] = [];
    const options = parseReplayOptions("needle", ["--policy", policies])!;
    const { failures } = await openPolicies(options, (sentence) => said.push(sentence));
    assertEquals(failures.length, 1);
    return said.length;
  };
  // What the run ends with is said by whoever ends it.
  assertEquals([await told("./none.ts"), await told("./none.ts,reference")], [0, 1]);
});
