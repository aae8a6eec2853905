/** Real signals to real runs: each ends at once, wherever it is, and leaves what it had finished. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Interrupt, names, untilExists, withRun } from "./interrupted_run.ts";

const SHARED = "--device cpu --no-cache".split(" ");
const REPLAY = ["needle", ...SHARED];

/** The output of a run that had finished nothing: a line at most, once there is a listener. */
function assertNothing({ code, stdout, stderr }: Interrupt, signal: "SIGINT" | "SIGTERM"): void {
  assertEquals([code, stdout], [signal === "SIGINT" ? 130 : 143, ""]);
  assertMatch(stderr, new RegExp(`^(kvreplay: Interrupted by ${signal}; [^\n]+\n)?$`));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} while a model is loaded leaves no file`, async () => {
    await withRun(async (start, folder) => {
      const out = `${folder}/out`;
      const run = start([...REPLAY, "--policy", "reference", "--out", out]);
      // The folder is made before the model is loaded.
      await untilExists(out);
      assertNothing(await run.interrupt(signal), signal);
      assertEquals(names(out), []);
    });
  });
}

/** A policy that answers for the first prompt and then never again. */
const STUCK = `let first;
export default {
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: (layer, { prompt_tokens }) => {
    first ??= prompt_tokens;
    while (prompt_tokens !== first);
    return 0;
  },
  calibration_mode: () => "none",
};`;

for (const to of ["the process", "its whole group"] as const) {
  Deno.test(`an interrupt of ${to} while a policy loops is not put down to the policy`, async () => {
    await withRun(async (start, folder) => {
      const [out, policy, cache] = ["out", "stuck.js", "cache"].map((name) => `${folder}/${name}`);
      await Deno.writeTextFile(policy!, STUCK);
      const run = start([
        ...["needle", "--device", "cpu", "--policy", `reference,${policy}`, "--out", out!],
        ...["--limit", "3", "--policy-step-ms", "600000"],
      ], { KVREPLAY_CACHE: cache! });
      // The second reference is there before the policies are asked about it.
      await untilExists(`${cache}/references`, 2);
      const { code, stdout, stderr } = await run.interrupt("SIGINT", to === "its whole group");
      assertEquals(code, 130);
      const lines = stdout.trimEnd().split("\n");
      assertEquals(
        lines.map((line) => /policy=(\S+) .* examples=(\d+) .*partial=(1)$/.exec(line)?.slice(1)),
        [["reference", "1", "1"], ["stuck", "1", "1"]],
      );
      assertMatch(stderr, /^kvreplay: Interrupted by SIGINT; what was finished is in [^\n]+\n$/);
      assertEquals(names(out!), [
        ...["head_errors.csv", "manifest.json", "metrics.csv", "metrics.json", "steps.jsonl"],
        "unfinished",
      ]);
      const metrics = JSON.parse(await Deno.readTextFile(`${out}/metrics.json`));
      assertEquals([metrics.partial, metrics.slices[0].failures], [true, []]);
    });
  });
}

Deno.test("finished slices are printed once, and written beside what there is of the next", async () => {
  await withRun(async (start, folder) => {
    const run = start(["all", "--limit", "8", ...SHARED, "--policy=reference", "--out", folder]);
    // The first slice is finished.
    await run.untilPrinted("slice=longbench ");
    const { code, stdout } = await run.interrupt("SIGINT");
    assertEquals(code, 130);
    assertEquals(stdout.match(/slice=longbench/g)?.length, 1);
    const metrics = JSON.parse(await Deno.readTextFile(`${folder}/metrics.json`));
    assertEquals([metrics.partial, metrics.slices[0].partial], [true, false]);
    assertEquals(metrics.slices[0].policies[0].examples.length, 8);
    assertEquals(metrics.slices.slice(1).every((slice: typeof metrics) => slice.partial), true);
  });
});

Deno.test("a tokenizer's pattern that never comes to an end can be interrupted", async () => {
  await withRun(async (start, folder) => {
    const model = new URL("../../models/mini/", import.meta.url);
    const tokenizer = JSON.parse(await Deno.readTextFile(new URL("tokenizer.json", model)));
    // Each further letter doubles the ways in which this fails to match.
    tokenizer.pre_tokenizer.pretokenizers[0].pattern.Regex = "(?:z+)+y|[^z]+|z";
    await Deno.writeTextFile(`${folder}/tokenizer.json`, JSON.stringify(tokenizer));
    await Deno.copyFile(
      new URL("tokenizer_config.json", model),
      `${folder}/tokenizer_config.json`,
    );
    const data = `${folder}/data.jsonl`;
    const row = { input: "z".repeat(60), context: "", answers: ["1"], length: 1 };
    const more = { dataset: "passkey", language: "en", all_classes: null, _id: "a" };
    await Deno.writeTextFile(data, JSON.stringify({ ...row, ...more }));
    const run = start([
      ...[...REPLAY, "--policy", "reference", "--max-new-tokens", "1"],
      ...["--tokenizer", folder, "--data", data],
    ]);
    // Without the pattern it would be over in this time.
    await new Promise((done) => setTimeout(done, 5000));
    assert(run.isRunning());
    assertNothing(await run.interrupt("SIGINT"), "SIGINT");
  });
});

Deno.test("deno task ends with the code of the signal, too", async () => {
  await withRun(async (start, folder) => {
    const out = `${folder}/out`;
    const run = start([...REPLAY, "--policy", "reference", "--out", out], {}, ["task"]);
    await untilExists(out);
    const { code, stdout } = await run.interrupt("SIGINT");
    assertEquals([code, stdout], [130, ""]);
  });
});

Deno.test("an interrupted leaderboard keeps its cells, and goes on from there", async () => {
  await withRun(async (start, folder) => {
    const args = [
      ...["leaderboard", "--model=mini", "--slice=needle", ...SHARED, "--limit=1"],
      ...["--resamples=200", "--policy=kivi_overlap_4bit,kivi_overlap_2bit,reference"],
      `--out=${folder}`,
    ];
    const run = start(args);
    await untilExists(`${folder}/cells`, 1);
    const { code, stdout, stderr } = await run.interrupt("SIGTERM");
    assertEquals([code, stdout, names(folder)], [143, "", ["cells"]]);
    assertStringIncludes(stderr, "the same command goes on from there");
    const again = await start(args).end();
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stderr, "(finished before)");
  });
});

Deno.test("an interrupted search writes no plan", async () => {
  await withRun(async (start, folder) => {
    const out = `${folder}/plans/mine.ts`;
    const run = start(["search", "--device", "cpu", "--out", out]);
    await untilExists(`${folder}/plans`);
    assertNothing(await run.interrupt("SIGINT"), "SIGINT");
    assertEquals(names(`${folder}/plans`), []);
  });
});

Deno.test("a fetch from a hub that does not answer can be interrupted", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await withRun(async (start, folder) => {
    const host = `127.0.0.1:${server.addr.port}`;
    const run = start(
      ["fetch", "someone/something"],
      { HF_HOME: folder, HF_ENDPOINT: `http://${host}` },
      ["run", "--no-prompt", "--quiet", "-P=fetch", `--allow-net=${host}`, "cli.ts"],
    );
    // It is heard, and not answered.
    using _connection = await server.accept();
    assertNothing(await run.interrupt("SIGINT"), "SIGINT");
  });
});
