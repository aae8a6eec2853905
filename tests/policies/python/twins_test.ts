/** Policies in Python give the numbers of those that they repeat, to the last digit. */
import { assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { open } from "../../../mod.ts";
import type { PolicyHost } from "../../../policies/host.ts";
import type { StepQuestion } from "../../../policies/ask.ts";
import { openPyodideLink } from "../../../policies/python/pyodide_link.ts";
import { SandboxHost } from "../../../policies/guest/sandbox_host.ts";
import { PolicyError } from "../../../policies/check.ts";
import { hostBuiltin, isBuiltinName } from "../../../policies/registry.ts";
import { openPolicyFile } from "../../../policies/user_policy.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

/** What each file repeats. */
const TWINS = {
  "py_uniform_quant_2bit.py": "uniform_quant_2bit",
  "py_uniform_quant_4bit.py": "uniform_quant_4bit",
  "py_kivi_overlap_2bit.py": "kivi_overlap_2bit",
  "py_kivi_overlap_4bit.py": "kivi_overlap_4bit",
  "py_skvq_overlap_2bit.py": "skvq_overlap_2bit",
  "spread.py": "spread_twin.ts",
} as const;

const limits = { startMs: 60_000, stepMs: 20_000 };

function file(name: string): Promise<PolicyHost> {
  const path = fileURLToPath(new URL(`./twins/${name}`, import.meta.url));
  return openPolicyFile(path, { limits });
}

const prompt = "The ship left the harbour at dawn, and nobody saw it leave. ".repeat(40);

for (const [python, twin] of Object.entries(TWINS)) {
  Deno.test(`${python} gives the numbers of ${twin}`, async () => {
    await using lab = await open("mini", { device: "cpu" });
    await using mine = await file(python);
    await using theirs = isBuiltinName(twin) ? hostBuiltin(twin) : await file(twin);
    const replay = async (host: PolicyHost) => {
      const { numbers, widths } = await lab.replay({ prompt }, host, { maxNewTokens: 4 });
      const { decode_tokens_per_s: _a, prefill_latency_ms: _b, calibration_cost_s: _c, ...rest } =
        numbers;
      return { rest, widths };
    };
    assertEquals(await replay(mine), await replay(theirs));
    await mine.verifyDeterminism?.();
  });
}

Deno.test("what stands for an integer is it, None says nothing, and a file imports its namesake", async () => {
  const text = await Deno.readTextFile(
    new URL("./twins/py_uniform_quant_2bit.py", import.meta.url),
  );
  const whole = "from fractions import Fraction\nclass Whole:\n    def __index__(self):\n        " +
    "return Fraction(3).numerator\n";
  const more = "\n    def group_size(self, layer_id, kv_kind, request_meta):\n        pass\n";
  const source = {
    name: "fractions",
    text: whole + text.replace(/return min.*/, "return Whole()") + more,
    language: "py",
  } as const;
  await using host = await SandboxHost.open(source, { limits }, openPyodideLink);
  const [first] = await host.plan(QUESTION);
  assertEquals([first?.bits, first?.optional], [[3, 3], { group_size: undefined }]);
});

const QUESTION: StepQuestion = {
  budget: {
    ...{ budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null },
    ...{ layers: 1, kv_heads: 2, head_dim: 64 },
  },
  request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
  stats: () => {
    throw new Error("no statistics are asked for");
  },
};

/** Files that cannot be used, and what is said of them. */
const WRONG = {
  "import numpy": /ModuleNotFoundError: .*numpy.*, at line 1; in the sandbox there is Python's/,
  "x = 1": /it has no class AdaptiveQuantPolicy$/,
  "class AdaptiveKVQuantizer:\n  pass":
    /it has no class AdaptiveQuantPolicy; it has AdaptiveKVQuantizer$/,
  "x = 1\ny = (": /SyntaxError: '\(' was never closed, at line 2$/,
  "\n\n1 / 0": /ZeroDivisionError: division by zero, at line 3$/,
  "class AdaptiveQuantPolicy:\n  pass": /has no method choose_bits$/,
} as const;

for (const [text, sentence] of Object.entries(WRONG)) {
  Deno.test(`a Python file is refused with a sentence: ${JSON.stringify(text)}`, async () => {
    await inTemporaryFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/mine.py`, text);
      const error = await assertRejects(
        () => openPolicyFile(`${folder}/mine.py`, { limits }),
        PolicyError,
      );
      assertEquals(sentence.test(error.message), true, error.message);
    });
  });
}
