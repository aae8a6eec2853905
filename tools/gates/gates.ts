/**
 * `deno task gates` runs this after format, lint and types: it says in one sentence each what else
 * is not as it should be, and fails when there is anything.
 *
 * @module
 */
import { circles } from "./circles.ts";
import { entryPoints } from "./entry_points.ts";
import { exportsWithoutExample } from "./examples.ts";
import { moduleGraph, sourceFiles } from "./module_graph.ts";
import { packageFiles, tooLarge } from "./package.ts";
import { upwardRows, wrongArrows } from "./rooms.ts";
import { runDeno } from "./run_deno.ts";
import { undocumented } from "./undocumented.ts";

const PROJECT = new URL("../../", import.meta.url);

async function imports(): Promise<string[]> {
  const graph = await moduleGraph(PROJECT, await sourceFiles(PROJECT));
  return [
    ...upwardRows(),
    ...wrongArrows(graph),
    ...circles(graph).map((files) => `Files import each other in a circle: ${files.join(" > ")}`),
  ];
}

async function documentation(): Promise<string[]> {
  const entries = await entryPoints(PROJECT);
  const { success, stdout, stderr } = await runDeno(PROJECT, "doc", "--json", ...entries);
  if (!success) return [stderr.trim()];
  const lint = await runDeno(PROJECT, "doc", "--lint", ...entries);
  return [...undocumented(PROJECT, lint), ...exportsWithoutExample(JSON.parse(stdout))];
}

async function publishing(): Promise<string[]> {
  const sentence = tooLarge(await packageFiles(PROJECT));
  return sentence === undefined ? [] : [sentence];
}

let failed = false;
for (const gate of [imports, documentation, publishing]) {
  const sentences = await gate();
  for (const sentence of sentences) console.error(`gates: ${sentence}`);
  failed ||= sentences.length > 0;
}
if (failed) Deno.exit(1);
