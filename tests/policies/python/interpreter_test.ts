/** Python files in an interpreter of the user's: the same numbers, and walls that hold. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { open } from "../../../mod.ts";
import type { CalibrationStatistics } from "../../../policies/calibration_statistics.ts";
import { openPyodideLink } from "../../../policies/python/pyodide_link.ts";
import { PolicyError } from "../../../policies/check.ts";
import type { PolicyHost } from "../../../policies/host.ts";
import { findInterpreter } from "../../../policies/python/bubblewrap.ts";
import { interpreterLinks } from "../../../policies/python/interpreter_link.ts";
import { hostBuiltin, isBuiltinName } from "../../../policies/registry.ts";
import { SandboxHost } from "../../../policies/guest/sandbox_host.ts";
import type { SandboxLimits } from "../../../sandbox/limits.ts";
import { openPolicyFile } from "../../../policies/user_policy.ts";
import { numbersOf, tinyRun } from "../../sandbox/tiny_run.ts";
import { interpreter, PYTHON } from "./bubblewrap_here.ts";

const BESIDE = "uniform_quant_4bit";
const ignore = interpreter === undefined;

const ATTACKS: Readonly<Record<string, RegExp | "harmless">> = {
  "attacks/loop_when_asked.py": /^timed out: No answer to the plan of step 0 within 2 s$/,
  "attacks/loop_when_loaded.py": /^timed out: Not ready within 5 s$/,
  "attacks/forge_metrics.py": "harmless",
  "attacks/forge_in_error.py":
    /^rejected: choose_bits\(0, "key", 0\) threw ValueError: x \[2K TEST METRICS: slice=tiny, at line \d+$/,
  "attacks/random_bits.py": /^not deterministic: Asked for the plan of step \d a second time/,
  "attacks/set_order.py": "harmless",
  "attacks/exits.py": /^rejected: choose_bits\(0, "key", 0\) threw SystemExit: 0, at line 6$/,
  "attacks/recursion.py":
    /^rejected: choose_bits\(0, "key", 0\) threw RecursionError: .*, at line 2$/,
  "attacks/cyclic.py": /^rejected: choose_bits\(0, "key", 0\) threw RecursionError/,
  "attacks/spoilt_asker.py": /^rejected: Expected 4 rows of 3 answers in the plan of step 0$/,
  "interpreter_attacks/memory.py": /^out of memory: It took more than 512 MiB$/,
  "interpreter_attacks/kills.py": /^crashed: Its process /,
  "interpreter_attacks/forge_frames.py": /^crashed: It broke the message protocol/,
  "interpreter_attacks/leaves_a_child.py": "harmless",
  "interpreter_attacks/fills_disk.py":
    /^rejected: choose_bits\(0, "key", 0\) threw OSError: .*No space left on device/,
  "interpreter_attacks/doors.py": "harmless",
  "interpreter_attacks/shared_kernel.py": "harmless",
};

const LIMITS: Partial<SandboxLimits> = { startMs: 5000, stepMs: 2000, memoryMib: 512 };

const honest = numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE);

for (const [file, outcome] of Object.entries(ATTACKS)) {
  Deno.test({
    name: `in an interpreter, ${file} is contained`,
    ignore,
    fn: async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const given = { PORT: `${listener.addr.port}`, HOME: Deno.env.get("HOME")!, CWD: Deno.cwd() };
      const told = Object.entries(given).map(([name, value]) =>
        `${name} = ${JSON.stringify(value)}`
      );
      const attack = await Deno.readTextFile(new URL(file, import.meta.url));
      const text = file.endsWith("doors.py") ? `${told.join("\n")}\n${attack}` : attack;
      const source = { name: "hostile", text, language: "py" } as const;
      let host: SandboxHost;
      try {
        host = await SandboxHost.open(source, { limits: LIMITS }, interpreterLinks(interpreter!));
      } catch (error) {
        assert(outcome !== "harmless", (error as Error).message);
        assertMatch((error as Error).message, outcome);
        return;
      }
      let result;
      const family = descendants(host.pid);
      assert(family.length > 1);
      try {
        result = await tinyRun([host, hostBuiltin(BESIDE)]);
      } finally {
        await host.close();
      }
      const sentence = result.failures[0]?.reason.replace("Policy hostile: ", "");
      if (outcome === "harmless") assertEquals(sentence, undefined);
      else assertMatch(sentence ?? "nothing went wrong", outcome);
      assertEquals(numbersOf(result, BESIDE), honest);
      // All that it started has ended with it.
      const left = () => family.filter((pid) => processes().has(pid));
      for (let tries = 0; left().length > 0; tries++) {
        assert(tries < 100, `still running: ${left()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  });
}

Deno.test({
  name: "a link to an interpreter shows nothing of the folders that it lies in",
  ignore,
  fn: async () => {
    const home = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
    await Deno.mkdir(`${home}/bin`);
    await Deno.symlink(PYTHON, `${home}/bin/python`);
    await Deno.writeTextFile(`${home}/secret`, "");
    const text = `import os\nraise ValueError(os.listdir(${JSON.stringify(home)}))`;
    const linked = await findInterpreter(`${home}/bin/python`);
    await assertRejects(
      () =>
        SandboxHost.open(
          { name: "looks", text, language: "py" },
          {},
          interpreterLinks(linked),
        ),
      PolicyError,
      "It cannot be loaded: ValueError: ['bin'], at line 2",
    );
    await Deno.remove(home, { recursive: true });
  },
});

Deno.test({
  name: "what the evaluator has open is closed before a file is loaded",
  ignore,
  fn: async () => {
    const walls = new URL("../../../policies/python/python_walls.py", import.meta.url);
    const program = `${await Deno.readTextFile(walls)}
wall_in()
print(*sorted(os.listdir("/proc/self/fd")))`;
    // One that a shell has opened goes on to what it starts, and from there to bubblewrap's program.
    const open = `exec 9</dev/null; exec ${PYTHON} -s -c "$0"`;
    const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", open, program] }).output();
    // The last one is the list's own.
    assertEquals(new TextDecoder().decode(stdout), "0 1 2 3\n");
  },
});

/** Every process that runs, with its parent. */
function processes(): ReadonlyMap<number, number> {
  const { stdout } = new Deno.Command("ps", { args: ["-e", "-o", "pid=,ppid=,stat="] })
    .outputSync();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return new Map(
    lines.filter((line) => !line.includes("Z")).map((line) => {
      const [pid, parent] = line.trim().split(/\s+/).map(Number);
      return [pid!, parent!];
    }),
  );
}

/** A process and all that it started, directly or not. */
function descendants(pid: number): number[] {
  const all = processes();
  const below = (parent: number): number[] =>
    [...all].filter(([, of]) => of === parent).flatMap(([child]) => [child, ...below(child)]);
  return [pid, ...below(pid)];
}

const TWINS = {
  "py_uniform_quant_2bit.py": "uniform_quant_2bit",
  "py_uniform_quant_4bit.py": "uniform_quant_4bit",
  "py_kivi_overlap_2bit.py": "kivi_overlap_2bit",
  "py_kivi_overlap_4bit.py": "kivi_overlap_4bit",
  "py_skvq_overlap_2bit.py": "skvq_overlap_2bit",
  "spread.py": "spread_twin.ts",
} as const;

const prompt = "The ship left the harbour at dawn, and nobody saw it leave. ".repeat(40);

Deno.test({
  name: "in an interpreter, files give the numbers of what they repeat",
  ignore,
  fn: async () => {
    const file = (name: string) =>
      openPolicyFile(fileURLToPath(new URL(`./twins/${name}`, import.meta.url)), {
        python: PYTHON,
      });
    await using lab = await open("mini", { device: "cpu" });
    const replay = async (host: PolicyHost) => {
      const { numbers, widths } = await lab.replay({ prompt }, host, { maxNewTokens: 4 });
      const { decode_tokens_per_s: _a, prefill_latency_ms: _b, calibration_cost_s: _c, ...rest } =
        numbers;
      return { rest, widths };
    };
    for (const [python, twin] of Object.entries(TWINS)) {
      await using mine = await file(python);
      await using theirs = isBuiltinName(twin) ? hostBuiltin(twin) : await file(twin);
      assertEquals(await replay(mine), await replay(theirs), python);
      await mine.verifyDeterminism?.();
    }
  },
});

Deno.test({
  name: "an interpreter that is none is refused with a sentence",
  ignore,
  fn: async () => {
    const path = fileURLToPath(new URL("./twins/spread.py", import.meta.url));
    const why = {
      "./no/python": " (there is no such program)",
      "/bin/true": "",
      "/bin/ls": "",
      "/usr": " (it may not be run, or is a folder)",
      "no_such_python": " (there is no such program)",
    };
    for (const [python, reason] of Object.entries(why)) {
      await assertRejects(
        () => openPolicyFile(path, { python }),
        PolicyError,
        `--python is "${python}", which is no Python interpreter${reason}; expected one such as ` +
          `/usr/bin/python3`,
      );
    }
  },
});

Deno.test({
  name: "an answer that is no plain data is told with the method that gave it",
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/mine.py`;
    const spread = fileURLToPath(new URL("./twins/spread.py", import.meta.url));
    const text = await Deno.readTextFile(spread);
    await Deno.writeTextFile(path, text.replace("def choose_axis", "async def choose_axis"));
    await using host = await openPolicyFile(path, { python: PYTHON });
    await Deno.remove(folder, { recursive: true });
    const { failures } = await tinyRun([host]);
    assertMatch(
      failures[0]!.reason,
      /^Policy mine: rejected: choose_axis\(0, "key"\) returned a coroutine; expected plain data$/,
    );
  },
});

const LEARNS = `
class AdaptiveQuantPolicy:
    learned = 0
    def calibrate(self, samples):
        self.learned = samples["layers"]
        return {"twice": 2 * self.learned, "nothing": None, "big": [1, 2.5, True]}
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        return self.learned
    def choose_axis(self, layer_id, kv_kind):
        return "token"
    def residual_length(self, layer_id, request_meta):
        return 0
    def calibration_mode(self, workload_meta, budget_state):
        return "offline"
`;

for (const [where, links] of Object.entries({ Pyodide: openPyodideLink, interpreter: undefined })) {
  Deno.test({
    name: `a policy in Python learns, in ${where}`,
    ignore: links === undefined && ignore,
    fn: async () => {
      const source = { name: "learns", text: LEARNS, language: "py" } as const;
      const limits = { startMs: 60_000, stepMs: 20_000 };
      await using host = await SandboxHost.open(
        source,
        { limits },
        links ?? interpreterLinks(interpreter!),
      );
      assert(host.calibrates);
      const samples = { layers: 3 } as unknown as CalibrationStatistics;
      assertEquals(await host.calibrate(samples), {
        twice: 6,
        nothing: null,
        big: [1, 2.5, true],
      });
      const [first] = await host.plan({
        budget: {
          ...{ budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null },
          ...{ layers: 1, kv_heads: 2, head_dim: 64 },
        },
        request: { slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
        stats: () => {
          throw new Error("no statistics are asked for");
        },
      });
      assertEquals(first?.bits, [3, 3]);
      await host.verifyDeterminism();
    },
  });
}

Deno.test({
  name: "a trusted file runs in the interpreter as it is, and says so",
  ignore,
  fn: async () => {
    const path = fileURLToPath(new URL("./twins/spread.py", import.meta.url));
    const notices: string[] = [];
    const notice = (sentence: string) => notices.push(sentence);
    await using host = await openPolicyFile(path, { python: PYTHON, trust: true, notice });
    assertEquals(host.hooks, ["quantizer_family", "group_size"]);
    assertMatch(notices[0]!, /^Policy spread is trusted: it runs without a sandbox/);
    await assertRejects(
      () => openPolicyFile(path, { trust: true }),
      PolicyError,
      "is in Python, and trusted: name an interpreter with --python",
    );
  },
});

Deno.test({
  name: "a module that the interpreter has not is named, and the interpreter",
  ignore,
  fn: async () => {
    const source = { name: "mine", text: "import no_such_module", language: "py" } as const;
    await assertRejects(
      () => SandboxHost.open(source, {}, interpreterLinks(interpreter!)),
      PolicyError,
      `No module named 'no_such_module', at line 1 in ${interpreter!.executable}`,
    );
  },
});
