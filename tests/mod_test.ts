/** The library as its reader has it: the example of `mod.ts` and of the README, somewhere else. */
import { assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** The first TypeScript example of a text, without the stars of a comment. */
function firstExample(text: string): string {
  return /```ts\n([^]*?)```/.exec(text.replaceAll(/^ \* ?/gm, ""))![1]!;
}

Deno.test("the ten lines run in a folder that has nothing but an import map", async () => {
  const lines = firstExample(await Deno.readTextFile(new URL("mod.ts", ROOT)));
  assertEquals(lines, firstExample(await Deno.readTextFile(new URL("README.md", ROOT))));
  assertEquals(lines.split("\n").filter((line) => line !== "").length, 10);
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const { imports, exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const own = Object.entries<string>(exports)
      .map(([name, path]) => [`@kvreplay/kvreplay${name.slice(1)}`, new URL(path, ROOT).href]);
    const std = Object.keys(imports).filter((name) => name.startsWith("@std/")).flatMap((name) => {
      const local = new URL(`std/${name.slice("@std/".length)}/`, ROOT);
      const { exports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", local)));
      const paths: Record<string, string> = typeof exports === "string"
        ? { ".": exports }
        : exports;
      return Object.entries(paths)
        .map(([path, file]) => [`${name}${path.slice(1)}`, new URL(file, local).href]);
    });
    await Deno.writeTextFile(
      `${folder}/import_map.json`,
      JSON.stringify({ imports: { ...imports, ...Object.fromEntries([...own, ...std]) } }),
    );
    await Deno.writeTextFile(`${folder}/look.ts`, lines);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--quiet", "--check", "--import-map=import_map.json"],
        ...["--allow-read", "--allow-ffi", "look.ts"],
      ],
      cwd: folder,
      // Graphics drivers complain on stderr where a session has no folder of its own.
      env: { NO_COLOR: "1", XDG_RUNTIME_DIR: folder },
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assertMatch(said, /^kivi_overlap_2bit 9\d\.\d+ \d\.\d+ .+ The answer is \d+\.$/m);
    assertMatch(said, /\[ 2, \d+, 64 \]$/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
