/** That what reaches a terminal is shown there and not obeyed, and that there is one door to it. */
import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { shownLine, shownLines } from "../../report/terminal.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("control and format characters are written out; tabs and ends of lines are not", () => {
  const obeyed = "\x1b[2Ja\r\x07b\x9b1mc\u202ed\u200be\u2028f\tg\nh";
  assertEquals(
    shownLines(obeyed),
    "\\u001b[2Ja\\u000d\\u0007b\\u009b1mc\\u202ed\\u200be\\u2028f\tg\nh",
  );
  assertEquals(shownLine("a\nTEST_METRICS: b"), "a\\nTEST_METRICS: b");
});

Deno.test("what is shown holds nothing to obey, and JSON stays the same document", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(shownLine(text).replaceAll("\t", "")), false);
    assertEquals(JSON.parse(shownLines(JSON.stringify({ text }, null, 2))), { text });
  }));
});

Deno.test("no other file of the program writes to the terminal", async () => {
  const found: string[] = [];
  const rooms = ["cli", "report", "leaderboard", "search", "evaluation", "replay", "engine"];
  for (const room of [...rooms, "advice", "sweep", "serve"]) {
    for (const path of await sources(`${ROOT}${room}`)) {
      const code = (await Deno.readTextFile(path)).replace(/^ *\*.*$/gm, "");
      if (/\bconsole\.|Deno\.std(?:out|err)\.write/.test(code)) found.push(path.slice(ROOT.length));
    }
  }
  assertEquals(found.sort(), [
    // It clears the line of a progress bar that another thread drew.
    "cli/interrupt_worker.ts",
    "report/status_line.ts",
    "report/terminal.ts",
  ]);
});

Deno.test("an answer that cannot be written is one sentence", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", '"$0" run --no-prompt "$1" --version > /dev/full', Deno.execPath(), "cli.ts"],
    cwd: ROOT,
    stderr: "piped",
  }).output();
  assertEquals(code, 1);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^kvreplay: Cannot write to standard output: [^\n]*\n$/m,
  );
});

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await sources(path));
    else if (name.endsWith(".ts")) found.push(path);
  }
  return found;
}
