/** `kvreplay compare`, from the command line. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseCompareOptions } from "../../cli/compare_options.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { resultFiles } from "../../report/result_files.ts";
import { writeAll } from "../../report/output_folder.ts";
import { result } from "../report/sample_result.ts";
import { run } from "../report/sample_run.ts";

async function compare(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "-P=compare", "cli.ts", "compare", ...args],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("two folders of results are compared, and what holds none is refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const reports = [{ data: null, max_new_tokens: 32, result }];
    const other = {
      ...result,
      results: result.results.map((policy) => ({
        ...policy,
        outcomes: policy.outcomes.map((outcome) => ({ ...outcome, reply: "56", score: 0 })),
      })),
    };
    for (
      const [name, files] of Object.entries({
        a: resultFiles(run, reports),
        b: resultFiles({ ...run, seed: 7 }, [{ ...reports[0]!, result: other }]),
      })
    ) {
      await Deno.mkdir(`${folder}/${name}`);
      writeAll(`${folder}/${name}`, files);
    }
    const [same, missing] = await Promise.all([
      compare(`${folder}/a`, `${folder}/b`, "--policy", "reference"),
      compare(`${folder}/a`, `${folder}/none`),
    ]);
    assertEquals([same.code, same.stdout.match(/reference vs reference/g)?.length], [0, 1]);
    assertStringIncludes(same.stdout, "seed: A 0, B 7");
    assertStringIncludes(same.stdout, "needle-000: same tokens");
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertStringIncludes(missing.stderr, "expected the folder that a run was given with --out");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the command takes two folders", () => {
  assertEquals(parseCompareOptions(["a", "b", "--policy", "x, y", "--with", "z"]), {
    folders: ["a", "b"],
    pairs: { policies: ["x", "y"], with: "z" },
    limit: 10,
  });
  assertEquals(parseCompareOptions(["--help"]), undefined);
  for (const args of [[], ["a"], ["a", "b", "c"]]) {
    assertThrows(() => parseCompareOptions(args), UsageError, "takes two folders that runs were");
  }
  assertThrows(() => parseCompareOptions(["a", "b", "--limit", "-1"]), UsageError, "--limit");
});
