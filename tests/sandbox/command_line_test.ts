/** The real command with hostile files among its policies, from its options to its exit code. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);
const ATTACKS = "tests/sandbox/attacks";

interface Run {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: string;
}

async function longbench(policies: readonly string[], ...more: readonly string[]): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "-P=replay", `--allow-run=${Deno.execPath()}`],
      ...["cli.ts", "longbench"],
      ...["--limit", "1", "--device", "cpu", "--no-cache", "--policy", policies.join(",")],
      ...more,
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout).trimEnd().split("\n"), err: text(stderr) };
}

/** A result line without the numbers that are times. */
function untimed(line: string | undefined): string {
  return (line ?? "").replace(
    /(decode_tokens_per_s|prefill_latency_ms|calibration_cost_s)=\S+/g,
    "$1",
  );
}

Deno.test("hostile files end with one sentence each and leave the other numbers alone", async () => {
  const alone = await longbench(["uniform_quant_4bit"]);
  assertEquals(alone.code, 0);
  assertMatch(alone.out[0] ?? "", /^TEST_METRICS: slice=longbench policy=uniform_quant_4bit /);
  const hostile = ["forge_in_error", "loop_when_asked", "buffers", "bits_nan", "random"];
  const beside = await longbench([
    ...hostile.map((name) => `${ATTACKS}/${name}.js`),
    `${ATTACKS}/forge_metrics.js`,
    "uniform_quant_4bit",
  ], ...["--policy-step-ms", "1500", "--policy-memory-mib", "128"]);
  assertEquals(beside.code, 1);
  const [forging, builtin, ...rest] = beside.out.filter((line) => line.includes("TEST_METRICS"));
  assertEquals(rest, []);
  assertEquals(untimed(builtin), untimed(alone.out[0]));
  // The policy that tried to write lines of its own is measured like the built-in that it imitates.
  assertEquals(untimed(forging?.replace("forge_metrics", "uniform_quant_4bit")), untimed(builtin));
  assert(!beside.err.includes("TEST_METRICS"));
  for (
    const sentence of [
      /^Policy forge_in_error: rejected: choose_bits\(0, "key", 0\) threw Error: x .*$/m,
      /^Policy loop_when_asked: timed out: No answer to the plan of step 0 within 1\.5 s$/m,
      /^Policy buffers: out of memory: It took more than 128 MiB$/m,
      /^Policy bits_nan: rejected: choose_bits\(0, "key", 0\) returned NaN; expected .*$/m,
      /^Policy random: not deterministic: Asked for the plan of step \d+ a second time .*$/m,
    ]
  ) {
    assertMatch(beside.err, sentence);
  }
});

Deno.test("a trusted file runs in the process of the evaluator, and that is said", async () => {
  const { code, out, err } = await longbench(
    [`${ATTACKS}/bits_nan.js`, "uniform_quant_4bit"],
    "--trust",
  );
  assertEquals(code, 1);
  assertEquals(out.filter((line) => line.includes("TEST_METRICS")).length, 1);
  assertMatch(err, /^Policy bits_nan is trusted: it runs without a sandbox and may do what .*$/m);
  assertMatch(
    err,
    /^Policy bits_nan: rejected: choose_bits\(0, "key", 0\) returned NaN; expected/m,
  );
});
