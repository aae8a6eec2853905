import { assert, assertEquals } from "@std/assert";
import { miniQuestion } from "../../../bench/sandbox/questions.ts";
import { REQUIRED_METHODS } from "../../../policies/host.ts";
import { hostBuiltin } from "../../../policies/registry.ts";
import { SandboxHost } from "../../../policies/sandbox/mod.ts";
import { OPTIONAL_HOOKS } from "../../../quant/family.ts";
import { families } from "../../../quant/registry.ts";
import { numbersOf, tinyRun } from "./tiny_run.ts";

Deno.test("the worked example of docs/policies.md runs in the sandbox", async () => {
  const document = await Deno.readTextFile(new URL("../../../docs/policies.md", import.meta.url));
  const text = /```ts\n([\s\S]*?)```/.exec(document)?.[1] ?? "";
  await using host = await SandboxHost.open({ name: "keys_first", text, language: "ts" });
  const result = await tinyRun([host, hostBuiltin("kivi_overlap_4bit")]);
  assertEquals(result.failures, []);
  assert(!host.readsStats, "two layers are both outermost");
  await host.plan(miniQuestion(0));
  assert(host.readsStats);
  const bits = numbersOf(result, "keys_first").code_bits!;
  assert(bits > 2 && bits < 4, `${bits} bits`);
});

Deno.test("docs/policies.md lists every method and the families that use it", async () => {
  const document = await Deno.readTextFile(new URL("../../../docs/policies.md", import.meta.url));
  for (const method of [...REQUIRED_METHODS, "calibrate"]) {
    assert(document.includes(`\`${method}(`), method);
  }
  for (const hook of OPTIONAL_HOOKS) {
    const row = new RegExp(`^\\| \`${hook}\` +\\|[^|]+\\|([^|]+)\\|`, "m").exec(document);
    assert(row !== null, hook);
    if (hook === "quantizer_family" || hook === "family_options") continue;
    const using = Object.values(families).filter((family) => family.hooks.includes(hook));
    const named = [...row[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
    assertEquals(named.sort(), using.map(({ name }) => name).sort(), hook);
  }
  const options = Object.values(families).filter(({ hooks }) => hooks.includes("family_options"));
  for (const { name } of options) {
    assert(new RegExp(`^\\| \`${name}\` +\\| \`\\w+\`[:,]`, "m").test(document), name);
  }
});
