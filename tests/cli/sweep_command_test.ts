/** `kvreplay sweep` as a process: shards, what is joined of them, and what is not run again. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NO_CACHE } from "../no_cache.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";
import { withoutVolatile } from "./without_volatile.ts";

const ROOT = new URL("../../", import.meta.url);

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand("sweep", ["sweep", ...args], env);

async function runCommand(set: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", `-P=${set}`, `--allow-run=${Deno.execPath()}`],
      ...["cli.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** An embedded slice, and a benchmark of the user's, which scores in a process of its own. */
const SWEEP = `
models: mini
benchmarks: [needle, {file: FOLDER/mine.ts}]
policies: kivi_overlap_4bit
device: cpu
limit: 1
resamples: 200
`;

const MINE = `export default class {
  maxNewTokens = 4;
  metric = "said";
  rows() { return [{ word: "north" }]; }
  prompt({ word }) { return "The word is " + word + ". ".repeat(40) + "The word is"; }
  answers({ word }) { return word; }
  score(reply, answers) { return reply.includes(answers[0]) ? 1 : 0; }
}`;

Deno.test("shards that were joined are what one machine would have come to", () =>
  inTemporaryFolder(async (folder) => {
    const file = `${folder}/a.yaml`;
    await Deno.writeTextFile(file, SWEEP.replace("FOLDER", folder));
    await Deno.writeTextFile(`${folder}/mine.ts`, MINE);
    const plan = await run(["plan", file, "--shards=2", `--out=${folder}/1`]);
    assertEquals([plan.code, plan.stderr], [0, ""]);
    assertMatch(plan.stdout, /^mini needle kivi_overlap_4bit +0 +[12] +\S+ s +\S+ MiB +to do$/m);
    assertMatch(plan.stdout, /^Shard 2 of 2: \d cells, /m);

    const slurm = { SLURM_ARRAY_TASK_ID: "1", SLURM_ARRAY_TASK_COUNT: "2" };
    const [one, two, whole] = await Promise.all([
      run(["run", file, "--shard=1/2", "--no-cache", `--out=${folder}/1`]),
      run(["run", file, "--no-cache", `--out=${folder}/2`, "--workers=2"], slurm),
      run(["run", file, "--no-cache", `--out=${folder}/whole`]),
    ]);
    assertEquals([one.code, two.code, whole.code], [0, 0, 0], one.stderr + two.stderr);
    assertStringIncludes(two.stderr, "Shard 2 of 2 (SLURM_ARRAY_TASK_ID)");

    const half = await run(["merge", `${folder}/1`, `--out=${folder}/half`]);
    assertEquals([half.code, half.stdout], [1, ""]);
    assertMatch(half.stderr, /^Missing: mini \S+ \S+ seed 0$/m);
    assertMatch(half.stderr, /of 4 cells are missing: run what has them, or give --partial/);

    const joined = await run(["merge", `${folder}/1`, `${folder}/2`, `--out=${folder}/joined`]);
    assertEquals([joined.code, joined.stdout], [0, whole.stdout], joined.stderr);
    for (const name of ["metrics.json", "manifest.json"]) {
      const of = async (place: string) =>
        withoutVolatile(JSON.parse(await Deno.readTextFile(`${folder}/${place}/${name}`)));
      assertEquals(await of("joined"), await of("whole"), name);
    }

    const again = await run(["run", file, `--out=${folder}/joined`, "--no-cache"]);
    assertEquals([again.code, again.stdout], [0, whole.stdout], again.stderr);
    assertEquals(again.stderr.match(/\(finished before\)/g)?.length, 4);
    const planned = await run(["plan", file, `--out=${folder}/joined`]);
    assertStringIncludes(planned.stdout, "4 cells, 4 finished");

    // Another model and another file are found before anything is compared.
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/joined/manifest.json`));
    const wrong: [changed: object, message: string][] = [
      [{ models: [{ ...manifest.models[0], hash: "0" }] }, "The model mini has fingerprint "],
      [{ command: ["sweep", "run", file] }, `runs ${file}: expected that file among its files`],
    ];
    await Promise.all(wrong.map(async ([changed, message], i) => {
      const path = `${folder}/joined/wrong-${i}.json`;
      await Deno.writeTextFile(path, JSON.stringify({ ...manifest, ...changed }));
      const { code, stderr } = await runCommand("replay", ["rerun", path]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, message);
    }));

    // The manifest has what a rerun needs, the benchmark's own text included.
    await Deno.remove(`${folder}/mine.ts`);
    const rerun = await runCommand("replay", ["rerun", `${folder}/joined/manifest.json`]);
    assertEquals(rerun.code, 0, rerun.stderr);
    assertMatch(rerun.stdout, /^The same to the last digit: \d+ numbers of /m);
    assertMatch(rerun.stderr, /mine\.ts here that can be read: its text in the manifest is used$/m);
  }));

Deno.test("mistakes are told in one sentence, and help needs no file", () =>
  inTemporaryFolder(async (folder) => {
    const file = `${folder}/a.yaml`;
    await Deno.writeTextFile(file, "models: [none/such]");
    const good = `${folder}/good.yaml`;
    await Deno.writeTextFile(good, SWEEP.replace(/, \{file.*?\}/, ""));
    const wrong: [args: string[], code: number, message: string][] = [
      [[], 2, "Expected what to do with a sweep: plan, run, merge, "],
      [["run"], 2, "Expected sweep run FILE.yaml, got nothing behind run"],
      [["run", file, "--partial"], 2, "--partial goes with merge and results, not with run"],
      [["plan", "/dev/zero"], 1, "The sweep /dev/zero has more than 4000000 bytes"],
      [["run", file, "--shard=3/2", `--out=${folder}`], 2, '--shard is "3/2"'],
      [["run", `${folder}/b.yaml`], 1, `Cannot read the sweep ${folder}/b.yaml`],
      [["plan", file], 1, "none/such"],
      [["status", good], 2, "Expected --queue postgres://me@db.example/kvreplay with status"],
      [["run", good, "--queue=secret"], 2, "--queue must be a URL such as postgres://"],
      [
        ["run", good, "--queue=postgres://db/a", "--shard=1/2"],
        2,
        "--queue shares cells as they come",
      ],
      [["run", good, "--workers=250", `--out=${folder}`], 1, "250 workers take about "],
      [["merge", folder], 1, `${folder} holds no shard of a sweep`],
    ];
    const results = await Promise.all(wrong.map(([args]) => run(args)));
    for (const [i, { code, stdout, stderr }] of results.entries()) {
      assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [wrong[i]![1], "", 1]);
      assertStringIncludes(stderr, wrong[i]![2]);
    }
    const help = await run(["--help"]);
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "--shard i/n");
  }));
