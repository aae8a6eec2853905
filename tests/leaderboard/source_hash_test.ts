import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  definingModule,
  hashOf,
  namedFiles,
  SHARED,
  sourceHash,
} from "../../leaderboard/source_hash.ts";
import { policyNames } from "../../policies/registry.ts";
import { moduleGraph } from "../../tools/gates/module_graph.ts";

const here = (path: string) => new URL(`../../${path}`, import.meta.url);

Deno.test("every built-in policy is found where it is defined", async () => {
  for (const name of policyNames) {
    const { href } = await definingModule(name);
    assert(!href.endsWith("/registry.ts"), `${name} is not found in the registry`);
  }
  assertEquals((await definingModule("reference")).href, here("policies/reference.ts").href);
  assertEquals(
    (await definingModule("kivi_overlap_2bit")).href,
    here("policies/kivi_overlap.ts").href,
  );
  assertEquals(
    (await definingModule("kivi_overlap_2bit@g64")).href,
    here("policies/kivi_overlap.ts").href,
  );
  assertEquals((await definingModule("none")).href, here("policies/registry.ts").href);
});

Deno.test("policies of one module share their hash, others do not", async () => {
  const hash = (name: string) => sourceHash(name, "0");
  assertEquals(await hash("kivi_overlap_2bit"), await hash("kivi_overlap_4bit"));
  assertNotEquals(await hash("kivi_overlap_2bit"), await hash("reference"));
});

Deno.test("a hash covers what Deno finds to be imported, and the versions of libraries", async () => {
  const project = here("");
  const modules = new Set(await Promise.all(policyNames.map((name) => definingModule(name))));
  const entries = [...SHARED, ...modules];
  const paths = entries.map(({ href }) => href.slice(project.href.length));
  // What a thread begins with is imported by nothing.
  const begun = [...paths, "quant/pool/pool_worker.ts"];
  const imports = await moduleGraph(project, begun.filter((path) => path.endsWith(".ts")));
  const expected = new Set([...begun, ...imports.flatMap(({ from, to }) => [from, to])]);
  assert([...expected].some((path) => path.endsWith(".wasm")));
  assertEquals([...(await namedFiles(entries)).keys()].sort(), [...expected].sort());
  assert(expected.has("deno.lock"));
});

Deno.test("a hash follows every way to name a file, and changes with any file among them", async () => {
  const folder = new URL(`file://${await Deno.makeTempDir()}/`);
  const contents: Record<string, string | Uint8Array> = {
    "a.ts": `/**
 * import { d } from "./d.ts";
 */
import { b } from "./b.ts";
import run from './run.wasm';
import table from "./tables/table.weird" with { type: "text" };
export const a = [b, run, table, await import(\`./late.js\`), "./nothing.ts", "./a.ts/b"];
`,
    "b.ts": `export const b = new URL("./c.wgsl", import.meta.url);
export const bare = new URL(
  "bare.bin",
  import.meta.url,
);
`,
    "c.wgsl": "fn main() {}",
    "d.ts": "export const d = 1;",
    "run.wasm": Uint8Array.of(0, 0x61, 0x73, 0x6d, 0xfe),
    "bare.bin": Uint8Array.of(0xff, 0xfe),
    "late.js": "export default 1;",
    "tables/table.weird": "1",
  };
  const write = async (name: string, content: string | Uint8Array) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(new URL(name, folder), bytes);
  };
  try {
    await Deno.mkdir(new URL("tables/", folder));
    for (const [name, content] of Object.entries(contents)) await write(name, content);
    const hash = () => hashOf([new URL("a.ts", folder)], folder);
    const first = await hash();
    assertEquals(await hash(), first);
    for (const [name, content] of Object.entries(contents)) {
      // Bytes that are no text: two of them read as the same character.
      const changed = typeof content === "string" ? `${content} ` : content.with(-1, 0xfd);
      await write(name, changed);
      if (name === "d.ts") assertEquals(await hash(), first, name);
      else assertNotEquals(await hash(), first, name);
      await write(name, content);
    }
    assertEquals(await hash(), first);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
