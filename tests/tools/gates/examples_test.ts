import { assertEquals } from "@std/assert";
import { exportsWithoutExample } from "../../../tools/gates/examples.ts";
import { runDeno } from "../../../tools/gates/run_deno.ts";
import { temporaryProject } from "./temporary_project.ts";

const block = (code: string, attributes = "") =>
  `/**
 * Of use.
 *
 * @example
 * \`\`\`ts${attributes}
 * ${code}
 * \`\`\`
 */
`;

Deno.test("an export of any kind without an example that runs is named", async () => {
  await using project = await temporaryProject({
    "mod.ts": `
${block("shown(1);")}export function shown(n: number): number { return n; }
/** Of use. */
export function bare(): void {}
${block("other(1);")}export const another = 1;
${block("ignored;", " ignore")}export const ignored = 1;
/** @example Just say \`prose\`. */
export const prose = 1;
export class Silent {}
export type { Kept, Lost } from "./types.ts";
export { renamed as Given } from "./types.ts";
`,
    "types.ts": `
${block("const kept: Kept = 1;")}export type Kept = 1;
/** Of use. */
export interface Lost {}
${block("Given();")}export function renamed(): void {}
`,
    "more.ts": `export const more = 1; export type { Kept } from "./types.ts";`,
  });
  const { stdout } = await runDeno(project.url, "doc", "--json", "mod.ts", "more.ts");
  const named = exportsWithoutExample(JSON.parse(stdout)).map((sentence) => sentence.split(" ")[2]);
  assertEquals(named.sort(), ["Lost", "Silent", "another", "bare", "ignored", "more", "prose"]);
});
