/** The program as a process: exit codes, stdout, stderr and files. */
import {
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { metricFields } from "../../report/metric_fields.ts";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

function spawn(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "-P=replay", "cli.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await spawn(args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();

Deno.test("help and version go to stdout", async () => {
  const help = await run("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(help.stdout, /Commands:\n {2}longbench /);
  const options = await run("needle", "--help");
  assertEquals([options.code, options.stderr], [0, ""]);
  assertStringIncludes(options.stdout, "--budget-bits N");
  assertStringIncludes(options.stdout, "--cache-limit SIZE");
  assertStringIncludes(options.stdout, "kivi_overlap_2bit");
  assertMatch((await run("--version")).stdout, /^kvreplay \d+\.\d+\.\d+\n$/);
});

Deno.test("a wrong command line ends with code 2, one sentence and nothing on stdout", async () => {
  const wrong: [args: string[], message: string][] = [
    [[], "Expected a command: longbench, needle, "],
    [["haystack"], 'Unknown command "haystack"; expected longbench, needle, '],
    [["needle", "--policy", "nope"], 'Unknown policy "nope"; expected all or reference, '],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await run(...args);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1]);
    assertStringIncludes(stderr, `kvreplay: ${message}`);
  }
});

Deno.test("a file or model that cannot be used ends with code 1 and one sentence", async () => {
  await inTemporaryFolder(async (folder) => {
    const file = `${folder}/mine.jsonl`;
    await Deno.writeTextFile(file, '{"input": "x"}\n');
    const wrong: [args: string[], message: string][] = [
      [["--data", file], `${file}:1: the field "context" is missing`],
      [["--data", `${folder}/none.jsonl`], "none.jsonl: no such file"],
      [["--out", file], `Cannot write to ${file}: it is a file`],
      [["--model", `${folder}/none`], "none"],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await run("needle", "--no-cache", ...args);
      assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [1, "", 1], stderr);
      assertStringIncludes(stderr, message);
    }
  });
});

Deno.test("a replay prints its metrics and writes its files", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await run(
      ..."reasoning --limit 1 --device cpu --no-cache --policy reference,kivi_overlap_2bit".split(
        " ",
      ),
      "--out",
      folder,
    );
    assertEquals(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    const pairs = metricFields.map((field) => ` ${field}=-?\\d+(\\.\\d+)?`).join("");
    assertEquals(lines.length, 2);
    for (const [i, policy] of ["reference", "kivi_overlap_2bit"].entries()) {
      const head = `^TEST_METRICS: slice=reasoning policy=${policy}`;
      assertMatch(lines[i]!, new RegExp(`${head}${pairs} replies_cut=\\d+ replies_cut_ref=\\d+$`));
    }
    assertMatch(lines[0]!, / quality_main=100\.0000 /);
    assertEquals(names(folder), [
      "head_errors.csv",
      "lm_eval",
      "manifest.json",
      "metrics.csv",
      "metrics.json",
      "steps.jsonl",
    ]);
    assertEquals(names(`${folder}/lm_eval`), ["kivi_overlap_2bit", "reference"]);
    const [, samples] = names(`${folder}/lm_eval/reference`);
    const sample = JSON.parse(await Deno.readTextFile(`${folder}/lm_eval/reference/${samples}`));
    assertEquals(sample.doc.answers.length > 0 && sample.doc.prompt.length > 0, true);
    const steps = (await Deno.readTextFile(`${folder}/steps.jsonl`)).trimEnd().split("\n");
    const { slices } = JSON.parse(await Deno.readTextFile(`${folder}/metrics.json`));
    assertEquals(steps.length, 2 * slices[0].policies[0].metrics.steps);
  });
});

Deno.test("a benchmark is replayed by name from a file, and its files say where it came from", async () => {
  await inTemporaryFolder(async (folder) => {
    const data = `${folder}/gsm8k.jsonl`;
    const solved = { question: "1 + 1?", answer: "It is 2.\n#### 2" };
    await Deno.writeTextFile(data, `${JSON.stringify(solved)}\n`);
    const out = `${folder}/results`;
    const { code, stdout, stderr } = await run(
      ...["run", "gsm8k", "--data", data, "--device", "cpu", "--policy", "reference"],
      ...["--max-new-tokens", "4", "--no-cache", "--quiet", "--out", out],
    );
    assertEquals([code, stderr], [0, ""]);
    assertMatch(
      stdout,
      /^TEST_METRICS: slice=gsm8k policy=reference .* replies_cut=0 replies_cut_ref=0 task_score_strict=0 /,
    );
    const { slices: [slice] } = JSON.parse(await Deno.readTextFile(`${out}/metrics.json`));
    assertEquals([slice.max_new_tokens, slice.benchmark.metric, slice.benchmark.data], [
      ...[4, "flexible", data],
    ]);
    assertEquals(slice.policies[0].other_scores.map(({ name }: { name: string }) => name), [
      ...["strict", "conclusion"],
    ]);
    const missing = await run("run", "mmlu", "--data", data, "--no-cache");
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertStringIncludes(missing.stderr, `${data}, row 1: There is no field "answer"`.slice(0, 20));
  });
});

Deno.test("a policy is compared with full precision, though the reference policy did not run", async () => {
  const { stdout } = await run(
    ..."reasoning --limit 1 --device cpu --no-cache --policy uniform_quant_2bit".split(" "),
  );
  const value = (field: string) => Number(new RegExp(` ${field}=(\\S+)`).exec(stdout)?.[1]);
  assertAlmostEquals(value("quality_delta_vs_ref"), value("quality_main") - 100, 1e-3);
  assertLess(value("quality_delta_vs_ref"), -0.01);
});

Deno.test("a failed policy is told, the others are reported, and the code is 1", async () => {
  const { code, stdout, stderr } = await run(
    ..."reasoning --limit 1 --device cpu --no-cache --quiet --budget-bits 2".split(" "),
    "--policy",
    "reference,uniform_quant_4bit,uniform_quant_2bit",
  );
  assertEquals(code, 1);
  assertEquals([...stdout.matchAll(/policy=(\S+)/g)].map((match) => match[1]), [
    "reference",
    "uniform_quant_2bit",
  ]);
  assertMatch(stderr, /^Policy uniform_quant_4bit: [^\n]+\n$/);
});

Deno.test("a policy that does not apply fails only where it was asked for by name", async () => {
  await inTemporaryFolder(async (folder) => {
    const args = ["reasoning", "--device=cpu", "--limit=1", "--max-new-tokens=1", "--no-cache"];
    const common = [...args, "--policy=reference", "--group-size=48", `--out=${folder}/out`];
    const named = await run(...common, "--policy=kivi_overlap_2bit");
    assertEquals(named.code, 1);
    assertStringIncludes(named.stderr, "Policy kivi_overlap_2bit@g48: rejected: Layer 0 values: ");
    // In groups of 48 nothing is left of the default set but what has no groups.
    const usual = await run(...args, "--group-size=48", "--budget-bits=2", `--out=${folder}/out`);
    assertEquals(usual.code, 0, usual.stderr);
    assertStringIncludes(usual.stderr, "Policy kivi_overlap_2bit@g48: not applicable: ");
    const [slice] = JSON.parse(await Deno.readTextFile(`${folder}/out/metrics.json`)).slices;
    assertEquals(slice.failures, []);
    assertEquals(slice.not_applicable.map(({ policy }: { policy: string }) => policy), [
      "uniform_quant_4bit@g48",
      "uniform_quant_2bit@g48",
      "kivi_overlap_4bit@g48",
      "kivi_overlap_2bit@g48",
      "skvq_overlap_2bit@g48",
    ]);
    const grouped = await run(
      ...args,
      "--policy=kivi_overlap_2bit,qaq_uniform",
      "--group-size=16,64",
    );
    assertEquals(grouped.code, 0, grouped.stderr);
    assertMatch(
      grouped.stdout,
      /policy=kivi_overlap_2bit@g16 .*\n.* policy=kivi_overlap_2bit@g64 /,
    );
    assertStringIncludes(
      grouped.stderr,
      "Policy qaq_uniform: its family qaq takes no group size, so it runs as it is",
    );
  });
});

Deno.test("an audit prints buffers that add up to the reported memory", async () => {
  const { code, stdout, stderr } = await run(
    ..."reasoning --limit 1 --max-new-tokens 2 --device cpu --no-cache --audit".split(" "),
    "--policy",
    "kivi_overlap_2bit",
  );
  assertEquals([code, stderr], [0, ""]);
  const rows = [...stdout.matchAll(/^\d+ (?:key|value) .+? (\d+) {2,}[-\d./]+ {2,}\S+ {2,}\S+$/gm)];
  const sum = rows.reduce((bytes, row) => bytes + Number(row[1]), 0);
  assertEquals(Number(/^sum (\d+) bytes/m.exec(stdout)?.[1]), sum);
  assertStringIncludes(stdout, `peak_kv_memory_mb=${(sum / 2 ** 20).toFixed(6)}`);
});
