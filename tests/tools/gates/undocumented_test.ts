import { assertEquals } from "@std/assert";
import { runDeno } from "../../../tools/gates/run_deno.ts";
import { undocumented } from "../../../tools/gates/undocumented.ts";
import { temporaryProject } from "./temporary_project.ts";

Deno.test("exports and members without a comment are told with their place", async () => {
  await using project = await temporaryProject({
    "mod.ts": 'export { said, unsaid } from "./deep/a.ts";\nexport type { Shape } from "./b.ts";\n',
    "deep/a.ts": "/** One. */\nexport const said = 1;\n\nexport const unsaid = 2;\n",
    "b.ts": "/** One. */\nexport interface Shape {\n  size: number;\n}\n",
  });
  const lint = await runDeno(project.url, "doc", "--lint", "mod.ts");
  const what = "exported symbol is missing JSDoc documentation";
  const sentences = [`b.ts:3: ${what}`, `deep/a.ts:4: ${what}`];
  assertEquals(undocumented(project.url, lint).sort(), sentences);
});

Deno.test("where Deno cannot look at all, what it says is told", async () => {
  await using project = await temporaryProject({});
  const lint = await runDeno(project.url, "doc", "--lint", "mod.ts");
  const sentences = undocumented(project.url, lint);
  assertEquals([sentences.length, sentences[0]!.includes("mod.ts")], [1, true]);
});
