/** That paths begin where the user stands. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { TASK_VARIABLE } from "../../cli/standing_place.ts";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the program says of a data file that is not there. */
async function complaint(cwd: string, place: string): Promise<string> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "--config", join(ROOT, "deno.json"), "-P=replay"],
      ...[join(ROOT, "cli.ts"), "needle", "--data", "none.jsonl"],
    ],
    cwd,
    env: { ...NO_CACHE, [TASK_VARIABLE]: place },
  }).output();
  assertEquals(code, 1);
  return new TextDecoder().decode(stderr);
}

Deno.test("a task of this project reads paths from where it was called", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "kvreplay-test-" }));
  try {
    assertStringIncludes(await complaint(ROOT, folder), `at ${join(folder, "none.jsonl")};`);
    // Somebody else's task, in whose course the program was called.
    assertStringIncludes(await complaint(folder, ROOT), `at ${join(folder, "none.jsonl")};`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
