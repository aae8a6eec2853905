import { assert, assertEquals } from "@std/assert";
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import { REQUIRED_METHODS } from "../../policies/methods.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import { withTables } from "../../tools/hook_tables.ts";
import { numbersOf, tinyRun } from "./tiny_run.ts";

Deno.test("the worked example of docs/policies.md runs in the sandbox", async () => {
  const document = await Deno.readTextFile(new URL("../../docs/policies.md", import.meta.url));
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

Deno.test("docs/policies.md lists every method, and its tables are those of the hooks", async () => {
  const document = await Deno.readTextFile(new URL("../../docs/policies.md", import.meta.url));
  for (const method of [...REQUIRED_METHODS, "calibrate"]) {
    assert(document.includes(`\`${method}(`), method);
  }
  assertEquals(document, withTables(document), "deno task tables writes them");
});
