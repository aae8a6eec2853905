/** `kvreplay leaderboard` as a process: files, exit codes, and what a second run leaves out. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "-P=replay", `--allow-run=${Deno.execPath()}`],
      ...["cli.ts", "leaderboard", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();

const FILES = ["comparisons.csv", "manifest.json", "metrics.csv", "metrics.json", "report.html"];

Deno.test("a second run runs nothing and says the same; a changed setting runs again", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const args = [
      "--model=mini",
      "--slice=needle",
      "--policy=kivi_overlap_4bit,uniform_quant_2bit",
      "--device=cpu",
      "--limit=1",
      "--resamples=200",
      "--no-cache",
      `--out=${folder}`,
    ];
    const first = await run(...args);
    assertEquals(first.code, 0, first.stderr);
    assertStringIncludes(first.stdout, "uniform_quant_2bit vs kivi_overlap_4bit");
    assertStringIncludes(first.stdout, "no difference shown");
    assertMatch(first.stderr, /\[3\/3\] mini needle uniform_quant_2bit: quality_main \d+\.\d\d, /);
    assertEquals(names(folder), ["cells", ...FILES]);
    assertEquals(names(`${folder}/cells`).length, 3);

    const second = await run(...args);
    assertEquals([second.code, second.stdout], [0, first.stdout], second.stderr);
    assertEquals(second.stderr.match(/\(finished before\)/g)?.length, 3);
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`));
    assertEquals(manifest.cells, {
      finished: 3,
      reused: 3,
      failed: [],
      not_applicable: [],
    });
    assertEquals([manifest.limit, manifest.engine.device, manifest.seed], [1, "cpu", 0]);
    const metrics = JSON.parse(await Deno.readTextFile(`${folder}/metrics.json`));
    assertEquals(metrics.results["mini/needle/reference"]["quality_main,none"], 100);

    const third = await run(...args, "--budget-bits=3", "--quiet");
    assertEquals(third.code, 1);
    assertStringIncludes(third.stderr, "kivi_overlap_4bit");
    assertEquals(third.stderr.trimEnd().split("\n").length, 1);
    const failed = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`)).cells.failed;
    assertEquals(failed.map((f: { policy: string }) => f.policy), ["kivi_overlap_4bit"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Half precision; at the end of the file there is room for a change. */
const HALVES = `export default {
  encode: (_layer, _kind, { data }) => new Uint8Array(Float16Array.from(data).buffer),
  decode: (_layer, _kind, bytes) => Float32Array.from(new Float16Array(bytes.buffer)),
};
`;

Deno.test("a quantizer of the user's has cells and a rank; another text of it is run again", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const [halves, broken] = [`${folder}/halves.js`, `${folder}/broken.js`];
    await Deno.writeTextFile(halves, HALVES);
    await Deno.writeTextFile(broken, "export default { encode() {} };");
    const args = [
      ...["--model=mini", "--slice=reasoning", "--policy=uniform_quant_4bit", "--device=cpu"],
      ...["--limit=1", "--resamples=100", "--no-cache", `--out=${folder}/board`],
      ...["--quantizer", `${halves},${broken}`, "--baseline=halves"],
    ];
    const first = await run(...args);
    assertEquals(first.code, 1, first.stderr);
    assertStringIncludes(first.stderr, "Quantizer broken has no method decode");
    assertMatch(first.stdout, /^[12] {2}halves +100\.00 .* 16\.000 /m);
    assertStringIncludes(first.stdout, "uniform_quant_4bit vs halves");
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/board/manifest.json`));
    assertEquals(manifest.files.map((file: { path: string }) => file.path), [halves, broken]);
    assertEquals(manifest.files[0].text, HALVES);
    const metrics = await Deno.readTextFile(`${folder}/board/metrics.csv`);
    assertMatch(metrics, /^model,.*,outside_budget,claimed,on_pareto_front$/m);

    const finished = async () => (await run(...args)).stderr.match(/halves: .*\((.*)\)/)?.[1];
    assertEquals(await finished(), "finished before");
    await Deno.writeTextFile(halves, `${HALVES}// changed\n`);
    assertMatch(await finished() ?? "", /^\d+\.\d s$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("help and mistakes need no model", async () => {
  const help = await run("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "--baseline NAME");
  const wrong = await run("--slice=haystack");
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
  assertStringIncludes(wrong.stderr, 'Unknown slice "haystack"');
});

Deno.test("what cannot be read or written is found before anything is run", async () => {
  const file = await Deno.makeTempFile();
  try {
    const missing = await run("--limit=1", "--quantizer=./none.ts", `--out=${file}.out`);
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertMatch(missing.stderr, /^kvreplay: Cannot read \.\/none\.ts: [^\n]*\n$/);
    const { code, stdout, stderr } = await run("--limit=1", "--device=cpu", `--out=${file}`);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [1, "", 1]);
    assertStringIncludes(stderr, "it is a file; expected a folder");
  } finally {
    await Deno.remove(file);
  }
});
