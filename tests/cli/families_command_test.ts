/** `kvreplay families` as a process, without any permission. */
import { assertEquals, assertMatch } from "@std/assert";
import { policyNames } from "../../policies/registry.ts";

async function families(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "cli.ts", "families", ...args],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("families are listed as a table and as JSON, of the same rows", async () => {
  const table = await families();
  assertEquals([table.code, table.stderr], [0, ""]);
  const lines = table.stdout.trimEnd().split("\n");
  assertMatch(lines[0]!, /^name\tkind\tcode bits\tbits\/element\t/);
  const json = await families("--json");
  assertEquals([json.code, json.stderr], [0, ""]);
  const rows: { what: string; name: string }[] = JSON.parse(json.stdout);
  assertEquals(rows.map((r) => r.name), lines.slice(1).map((line) => line.split("\t")[0]));
  assertEquals(rows.filter((r) => r.what === "policy").map((r) => r.name), [...policyNames]);
});

Deno.test("a wrong option of families ends with code 2 and one sentence", async () => {
  const { code, stdout, stderr } = await families("--jsn");
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^kvreplay: Unknown option --jsn; expected one of --json, --help [^\n]+\n$/);
});
