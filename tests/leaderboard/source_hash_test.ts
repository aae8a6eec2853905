import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { definingModule, hashOf, sourceHash } from "../../leaderboard/source_hash.ts";
import { policyNames } from "../../policies/registry.ts";

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
  assertEquals((await definingModule("none")).href, here("policies/registry.ts").href);
});

Deno.test("policies of one module share their hash, others do not", async () => {
  const hash = (name: string) => sourceHash(name, "0");
  assertEquals(await hash("kivi_overlap_2bit"), await hash("kivi_overlap_4bit"));
  assertNotEquals(await hash("kivi_overlap_2bit"), await hash("reference"));
});

Deno.test("a hash follows imports and changes with any file among them", async () => {
  const folder = new URL(`file://${await Deno.makeTempDir()}/`);
  try {
    const write = (name: string, text: string) => Deno.writeTextFile(new URL(name, folder), text);
    await write("a.ts", 'import { b } from "./b.ts";\nexport const a = b;\n');
    await write("b.ts", 'export const b = new URL("./c.wgsl", import.meta.url);\n');
    await write("c.wgsl", "fn main() {}\n");
    await write("d.ts", "export const d = 1;\n");
    const hash = () => hashOf([new URL("a.ts", folder)], folder);
    const first = await hash();
    assertEquals(await hash(), first);
    await write("d.ts", "export const d = 2;\n");
    assertEquals(await hash(), first);
    await write("c.wgsl", "fn main() { }\n");
    assertNotEquals(await hash(), first);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
