/**
 * Every attack by a policy in Python must be contained: the policy is ended with the right sentence, or
 * finds every door closed and is measured like an honest one; the evaluator's own numbers stay.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openPyodideLink } from "../../../policies/python/pyodide_link.ts";
import { hostBuiltin } from "../../../policies/registry.ts";
import { SandboxHost } from "../../../policies/guest/sandbox_host.ts";
import type { SandboxLimits } from "../../../sandbox/limits.ts";
import { numbersOf, tinyRun } from "../../sandbox/tiny_run.ts";

const FOLDER = new URL("./attacks/", import.meta.url);
const BESIDE = "uniform_quant_4bit";

const ATTACKS: Readonly<Record<string, RegExp | "harmless">> = {
  "loop_when_asked.py": /^timed out: No answer to the plan of step 0 within 1 s$/,
  "loop_when_loaded.py": /^timed out: Not ready within \d+ s$/,
  "memory.py": /^out of memory: It took more than 400 MiB$/,
  "forge_metrics.py": "harmless",
  "forge_in_error.py":
    /^rejected: choose_bits\(0, "key", 0\) threw ValueError: x \[2K TEST METRICS: slice=tiny, at line \d+$/,
  "random_bits.py": /^not deterministic: Asked for the plan of step \d a second time/,
  "set_order.py": "harmless",
  "exits.py": /^rejected: choose_bits\(0, "key", 0\) threw SystemExit: 0, at line 6$/,
  "kills.py": /^rejected: /,
  "recursion.py": /^rejected: choose_bits\(0, "key", 0\) threw RecursionError: .*, at line 2$/,
  "cyclic.py": /^rejected: choose_bits\(0, "key", 0\) threw RecursionError/,
  "spoilt_asker.py": /^rejected: Expected 4 rows of 3 answers in the plan of step 0$/,
  "doors.py": "harmless",
};

function limitsFor(file: string): Partial<SandboxLimits> {
  if (file.startsWith("loop_when_asked")) return { startMs: 60_000, stepMs: 1000 };
  if (file.startsWith("loop_when_loaded")) return { startMs: 12_000 };
  return { startMs: 60_000, stepMs: 20_000, ...(file === "memory.py" ? { memoryMib: 400 } : {}) };
}

const honest = numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE);

for (const [file, outcome] of Object.entries(ATTACKS)) {
  Deno.test(`in Python, ${file} is contained`, async () => {
    const text = await Deno.readTextFile(new URL(file, FOLDER));
    const source = { name: "hostile", text, language: "py" } as const;
    let host: SandboxHost;
    try {
      host = await SandboxHost.open(source, { limits: limitsFor(file) }, openPyodideLink);
    } catch (error) {
      assert(outcome !== "harmless", (error as Error).message);
      assertMatch((error as Error).message, outcome);
      return;
    }
    let result;
    try {
      result = await tinyRun([host, hostBuiltin(BESIDE)]);
    } finally {
      await host.close();
    }
    const sentence = result.failures[0]?.reason.replace("Policy hostile: ", "");
    if (outcome === "harmless") {
      assertEquals(sentence, undefined);
    } else {
      assertMatch(sentence ?? "nothing went wrong", outcome);
    }
    assertEquals(numbersOf(result, BESIDE), honest);
  });
}

Deno.test("every attack in Python is listed", () => {
  const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  assertEquals(files, Object.keys(ATTACKS).sort());
});
