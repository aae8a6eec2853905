import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { MOST_BYTES, packageFiles, tooLarge } from "../../../tools/gates/package.ts";
import { temporaryProject } from "./temporary_project.ts";

const config = (more: object = {}) =>
  JSON.stringify({ name: "@a/b", version: "1.0.0", license: "MIT", exports: "./mod.ts", ...more });

Deno.test("the files of a package and their sizes are those that would be sent", async () => {
  await using project = await temporaryProject({
    "deno.json": config({ publish: { exclude: ["tests"] } }),
    "mod.ts": 'import text from "./a.txt" with { type: "text" };\nexport const n: string = text;\n',
    "a.txt": "x".repeat(3000),
    "tests/a_test.ts": "",
  });
  const files = await packageFiles(project.url);
  const sizes = Object.fromEntries(files.map(({ path, bytes }) => [path, bytes]));
  assertEquals(sizes["a.txt"], 3000);
  assertEquals(Object.keys(sizes).sort(), ["a.txt", "deno.json", "mod.ts"]);
});

Deno.test("what a registry would refuse is refused with what Deno says of it", async () => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ "mod.ts": "export function slow() { return Math.random(); }" }, /return type/],
    [
      {
        "deno.json": config({ publish: { exclude: ["left_out.ts"] } }),
        "mod.ts": 'import "./left_out.ts";',
        "left_out.ts": "",
      },
      /left_out\.ts/,
    ],
    [
      { "mod.ts": 'import bytes from "./mod.ts" with { type: "bytes" };\nbytes;' },
      /bytes/,
    ],
  ];
  for (const [files, message] of wrong) {
    await using project = await temporaryProject({ "deno.json": config(), ...files });
    const error = await assertRejects(() => packageFiles(project.url), Error);
    assertMatch(error.message, message);
  }
});

Deno.test("a package may be as large as JSR takes it, and no larger", () => {
  const file = (path: string, bytes: number) => ({ path, bytes });
  assertEquals(tooLarge([file("a", MOST_BYTES - 1), file("b", 1)]), undefined);
  const sentence = tooLarge([file("a", 1), file("b", MOST_BYTES), file("c", 2), file("d", 3)]);
  assert(sentence?.endsWith(`takes ${MOST_BYTES}: the largest files are b, d, c`), sentence);
});
