/** The cache of real commands: one place, a limit, and the command that looks after it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

type Variables = Readonly<Record<string, string>>;

/** Runs the program in a folder, with nothing in its environment but `variables`. */
async function run(
  permissions: "cache" | "replay",
  args: string,
  variables: Variables,
  cwd = ROOT.pathname,
) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", `--config=${ROOT.pathname}deno.json`],
      ...[`-P=${permissions}`, `${ROOT.pathname}cli.ts`, ...args.split(" ")],
    ],
    cwd,
    clearEnv: true,
    env: { NO_COLOR: "1", PATH: Deno.env.get("PATH") ?? "", ...denoDir, ...variables },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Where Deno keeps the packages, which it would else look for in a home that is not there. */
const denoDir = { DENO_DIR: await denoDirectory() };

async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const replay = "reasoning --limit 2 --max-new-tokens 2 --device cpu --policy kivi_overlap_4bit";

const filesBelow = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1).flatMap((
    { name, isDirectory },
  ) => isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]);

/** A result line without what differs between any two runs. */
const untimed = (line: string) => line.replace(/decode_tokens_per_s=\S+ /, "");

Deno.test("runs in any folder share one cache, which is listed, verified and cleared", async () => {
  await inTemporaryFolder(async (home) => {
    const user = { HOME: home, XDG_CACHE_HOME: `${home}/xdg` };
    const place = `${home}/xdg/kvreplay`;
    await Deno.mkdir(`${home}/elsewhere`);
    const first = await run("replay", replay, user, `${home}/elsewhere`);
    assertEquals([first.code, first.stderr], [0, ""]);
    assertEquals(filesBelow(place).length, 2);
    const kept = filesBelow(place).map((path) => Deno.statSync(path).mtime!.getTime());
    const second = await run("replay", replay, user, home);
    // The time of the prefill too is that of the first run.
    assertEquals(untimed(second.stdout), untimed(first.stdout));
    const used = filesBelow(place).map((path) => Deno.statSync(path).mtime!.getTime());
    assert(Math.min(...used) > Math.max(...kept));

    const list = await run("cache", "cache", user);
    assertEquals([list.code, list.stderr], [0, ""]);
    const [where, , row] = list.stdout.split("\n");
    assertEquals(where, place);
    assertMatch(row!, /^mini +cpu +2 +0 +0 +[\d.]+ MiB {2}\d{4}-\d\d-\d\d \d\d:\d\d UTC$/);

    const [victim] = filesBelow(place);
    await Deno.truncate(victim!, 1000);
    const third = await run("replay", replay, user);
    assertEquals([third.code, third.stderr.trimEnd().split("\n").length], [0, 1]);
    assertStringIncludes(third.stderr, `Part of ${place} is not what was kept there`);
    await Deno.truncate(victim!, 1000);
    const verified = await run("cache", "cache verify", user);
    assertEquals(verified.code, 1);
    assertMatch(verified.stderr, /^Entry ".+" has 1000 bytes; expected \d+\n$/);
    assertEquals(
      verified.stdout,
      "1 of 2 entries are what was written; 1 are removed, and will be made anew\n",
    );
    assertEquals((await run("cache", "cache verify", user)).code, 0);

    const wrong = await run("cache", "cache clear --model mimi", user);
    assertEquals([wrong.code, wrong.stdout], [1, ""]);
    assertStringIncludes(wrong.stderr, 'Nothing is kept of a model "mimi"; there is mini\n');
    assertEquals((await run("cache", "cache clear --model mini", user)).code, 0);
    assertEquals(filesBelow(place), []);
    assertEquals((await run("cache", "cache", user)).stdout, `${place}\nNothing is kept\n`);
  });
});

Deno.test("--no-cache and a home that is not known keep nothing, a limit keeps what fits", async () => {
  await inTemporaryFolder(async (home) => {
    const without = await run("replay", `${replay} --no-cache`, { HOME: home });
    assertEquals([without.code, without.stderr], [0, ""]);
    const homeless = await run("replay", replay, {}, home);
    assertEquals(homeless.code, 0);
    assertEquals(
      homeless.stderr,
      "Nothing is kept for the next run: neither KVREPLAY_CACHE nor HOME says where\n",
    );
    // onnxruntime has a folder of its own in the home.
    assertEquals(filesBelow(home).filter((path) => path.includes("kvreplay/")), []);
    const place = `${home}/mine`;
    const little = await run("replay", `${replay} --cache-limit 1.5MB`, { KVREPLAY_CACHE: place });
    assertEquals(little.code, 0);
    assertStringIncludes(little.stderr, `${place} may hold 1.43 MiB`);
    assertEquals(filesBelow(place).length, 1);
    const none = await run("cache", "cache", {});
    assertEquals([none.code, none.stdout], [1, ""]);
    assertStringIncludes(none.stderr, "There is no cache: set KVREPLAY_CACHE");
  });
});

Deno.test("a place that is a file is refused before the work, an old cache is told", async () => {
  await inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const user = { KVREPLAY_CACHE: `${folder}/file` };
    const { code, stdout, stderr } = await run("replay", `${replay} --model none`, user);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(
      stderr,
      `kvreplay: Nothing can be kept in "${folder}/file": a file is in the way; expected a folder; ` +
        "set KVREPLAY_CACHE to another folder, or give --no-cache\n",
    );
    await Deno.mkdir(`${folder}/.cache/kvreplay/references`, { recursive: true });
    for (const quiet of ["", " --quiet"]) {
      const told = await run("replay", replay + quiet, { HOME: `${folder}/home` }, folder);
      const sentence = `The cache is now in ${folder}/home/.cache/kvreplay: ` +
        "the folder .cache/kvreplay is not read, and may be deleted\n";
      assertEquals([told.code, told.stderr], [0, quiet === "" ? sentence : ""]);
    }
    const own = { KVREPLAY_CACHE: ".cache/kvreplay" };
    assertEquals((await run("replay", replay, own, folder)).stderr, "");
  });
});

Deno.test("a file where the cache should be is refused in one sentence", async () => {
  await inTemporaryFolder(async (folder) => {
    const place = `${folder}/file`;
    await Deno.writeTextFile(place, "");
    for (const args of ["cache", "cache verify", "cache clear --all"]) {
      const { code, stderr } = await run("cache", args, { KVREPLAY_CACHE: place });
      assertEquals(code, 1);
      assertEquals(
        stderr,
        `kvreplay: There is no cache at ${place}: it is a file; expected a folder\n`,
      );
    }
  });
});
