/** `kvreplay fetch` as a process, against a hub of this machine. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commitOf, FakeHub, GOOD_TOKEN, sha256, TOKEN } from "../engine/checkpoint/hub/fake_hub.ts";
import { cutAfter, slowly } from "../engine/checkpoint/hub/faults.ts";
import { GATED, WHOLE } from "../engine/checkpoint/hub/repos.ts";

const ROOT = new URL("../../", import.meta.url);
const COMMIT = commitOf(WHOLE, "main");

/** An example that fits into the positions of the model. */
const SHORT = {
  ...{ input: "1 + 1?", context: "", answers: ["2"], length: 3, dataset: "line_retrieval" },
  ...{ language: "en", all_classes: null, _id: "short" },
};

/** A hub and a user's own folder. */
class Machine implements AsyncDisposable {
  readonly hub = new FakeHub(WHOLE, GATED);
  readonly home = Deno.makeTempDirSync({ prefix: "kvreplay-test-" });

  get cache(): string {
    return `${this.home}/hub`;
  }

  /** Starts a command with the set of its task, and variables that lead to this machine's hub. */
  spawn(set: string, flags: readonly string[], args: readonly string[], env = {}) {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", `-P=${set}`, ...flags, "cli.ts", ...args],
      cwd: ROOT,
      env: { NO_COLOR: "1", HF_HOME: this.home, HF_ENDPOINT: this.hub.endpoint, ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs `fetch`, allowed to reach this machine's hub. */
  async fetch(args: readonly string[], env = {}) {
    return await output(this.spawn("fetch", ["--allow-net=127.0.0.1"], ["fetch", ...args], env));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]();
    await Deno.remove(this.home, { recursive: true });
  }
}

async function output(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Waits until a condition holds. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    assert(i < 2400, `${what} does not happen`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("fetch prints where the model is, says what it did, and replay finds it", async () => {
  await using machine = await new Machine();
  const path = `${machine.cache}/models--acme--Wide-0.1B/snapshots/${COMMIT}`;
  const first = await machine.fetch([WHOLE.name]);
  assertEquals([first.code, first.stdout], [0, `${path}\n`], first.stderr);
  assertMatch(
    first.stderr,
    /^acme\/Wide-0\.1B at commit [0-9a-f]{40} is in the hub's cache after 90\.3 kB in \d+\.\d s\n$/,
  );
  const again = await machine.fetch([WHOLE.name, "--quiet"]);
  assertEquals(again, { code: 0, stdout: `${path}\n`, stderr: "" });

  const data = `${machine.home}/short.jsonl`;
  await Deno.writeTextFile(data, `${JSON.stringify(SHORT)}\n`);
  const out = `${machine.home}/results`;
  const replay = await output(machine.spawn("replay", [], [
    ...["needle", "--model", WHOLE.name, "--device", "cpu", "--data", data, "--no-cache"],
    ...["--max-new-tokens", "2", "--policy", "uniform_quant_4bit", "--quiet", "--out", out],
  ]));
  assertEquals([replay.code, replay.stderr], [0, ""]);
  assertMatch(replay.stdout, /^TEST_METRICS: slice=needle policy=uniform_quant_4bit /);
  const { model, model_hub } = JSON.parse(await Deno.readTextFile(`${out}/metrics.json`));
  assertEquals([model, model_hub], [WHOLE.name, { name: WHOLE.name, commit: COMMIT }]);
});

Deno.test("a replay of a model that is not in the cache says which command brings it", async () => {
  await using machine = await new Machine();
  for (const name of [WHOLE.name, `${WHOLE.name}@v1.0`, `${WHOLE.name}:x.gguf`]) {
    for (const args of [["needle", "--model", name], ["leaderboard", "--model", name]]) {
      const out = ["--out", `${machine.home}/out`];
      const { code, stdout, stderr } = await output(machine.spawn("replay", [], [...args, ...out]));
      assertEquals([code, stdout], [1, ""]);
      assertEquals(
        stderr,
        `kvreplay: The model ${name} is not in the hub's cache at ${machine.cache}; "deno task fetch ${name}" brings it there\n`,
      );
    }
  }
  // A replay asks nobody.
  assertEquals(machine.hub.requests.length, 0);
});

Deno.test("a mirror that the permissions do not name is refused with the command that names it", async () => {
  await using machine = await new Machine();
  const { host } = new URL(machine.hub.endpoint);
  const { code, stdout, stderr } = await output(machine.spawn("fetch", [], ["fetch", WHOLE.name]));
  assertEquals([code, stdout], [1, ""]);
  assertEquals(
    stderr,
    `kvreplay: This program may not reach ${host}: allow it with deno run -P=fetch --allow-net=${host} cli.ts fetch ${WHOLE.name}\n`,
  );
  // The mirror alone, and not the host that it leads to.
  const alone = await output(
    machine.spawn("fetch", [`--allow-net=${host}`], ["fetch", WHOLE.name]),
  );
  const cdn = new URL(machine.hub.cdn).host;
  assertEquals(alone.code, 1);
  assertStringIncludes(
    alone.stderr,
    `may not reach ${cdn}: allow it with deno run -P=fetch --allow-net=${host},${cdn} `,
  );
});

Deno.test("allowed its cache alone, fetch makes no links but the files themselves", async () => {
  await using machine = await new Machine();
  const { home, cache } = machine;
  const flags = ["--allow-net=127.0.0.1", `--allow-read=${home}`, `--allow-write=${home}`];
  const received: boolean[] = [];
  for (const revision of ["main", "v1.0", "main"]) {
    const name = `${WHOLE.name}@${revision}`;
    const { code, stdout, stderr } = await output(machine.spawn("fetch", flags, ["fetch", name]));
    assertEquals(code, 0, stderr);
    received.push(stderr.includes(" kB in "));
    const folder = `${cache}/models--acme--Wide-0.1B/snapshots/${commitOf(WHOLE, revision)}`;
    assertEquals(stdout, `${folder}\n`);
    const files = [...Deno.readDirSync(folder)];
    assertEquals(files.filter(({ isFile }) => isFile).length, 6);
    for (const { name } of files) {
      assertEquals(Deno.readFileSync(`${folder}/${name}`), WHOLE.revisions[revision]![name]);
    }
  }
  // Contents that were moved into one commit's folder are not found for another.
  assertEquals(received, [true, true, false]);
});

Deno.test("the token of a variable, or of the file, opens what is gated", async () => {
  await using machine = await new Machine();
  const none = await machine.fetch([GATED.name]);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "kvreplay: The model acme/Gated is gated: ask for access at");
  const known = await machine.fetch([GATED.name], { HF_TOKEN: TOKEN });
  assertEquals(known.code, 1);
  await Deno.writeTextFile(`${machine.home}/token`, `${GOOD_TOKEN}\n`);
  assertEquals((await machine.fetch([GATED.name])).code, 0);
});

Deno.test("offline nothing is fetched", async () => {
  await using machine = await new Machine();
  const { code, stderr } = await machine.fetch([WHOLE.name], { HF_HUB_OFFLINE: "1" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "HF_HUB_OFFLINE is set: unset it");
  assertEquals(machine.hub.requests.length, 0);
});

Deno.test("a wrong command line ends with code 2 and one sentence", async () => {
  await using machine = await new Machine();
  const wrong: [args: string[], message: string][] = [
    [
      [],
      "takes names of models on the hub, OWNER/NAME[@REVISION][:FILE.gguf], and of benchmarks, longbench, longbench-e, gsm8k, ruler, mmlu, and got nothing",
    ],
    [["mini"], 'and got "mini"'],
    [["acme/a", "mini"], 'and got "mini"'],
    [["acme/a", "--device", "cpu"], "nknown option --device; expected one of --quiet, --help"],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await machine.fetch(args);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], stderr);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("a download that is killed leaves nothing that is used, and the next one goes on", async () => {
  await using machine = await new Machine();
  machine.hub.fail("cdn", /./, slowly(100, 100));
  const child = machine.spawn("fetch", ["--allow-net=127.0.0.1"], ["fetch", WHOLE.name]);
  const weights = WHOLE.revisions.main!["model.safetensors"]!;
  const folder = `${machine.cache}/models--acme--Wide-0.1B`;
  const unfinished = `${folder}/blobs/${sha256(weights)}.kvreplay.incomplete`;
  await until("the download", () => exists(unfinished) && Deno.statSync(unfinished).size > 2000);
  child.kill("SIGKILL");
  assertEquals((await output(child)).code, 137);
  assertEquals([exists(`${folder}/snapshots`), exists(`${folder}/refs`)], [false, false]);
  const replay = await output(machine.spawn("replay", [], ["needle", "--model", WHOLE.name]));
  assertStringIncludes(replay.stderr, "is not in the hub's cache");

  const left = Deno.statSync(unfinished).size;
  assert(left < weights.length);
  const { code, stdout } = await machine.fetch([WHOLE.name]);
  assertEquals(code, 0);
  assertEquals(await Deno.readFile(`${stdout.trim()}/model.safetensors`), weights);
  const last = machine.hub.requests.findLast(({ host }) => host === "cdn")!;
  assertEquals(last.headers.get("range"), `bytes=${left}-`);
  assertEquals(exists(unfinished), false);
});

for (const links of [true, false]) {
  const how = links ? "" : ", without links either";
  Deno.test(`two processes that fetch the same model do not break each other${how}`, () =>
    twoAtOnce(links));
}

async function twoAtOnce(links: boolean): Promise<void> {
  await using machine = await new Machine();
  const { home } = machine;
  const flags = [
    "--allow-net=127.0.0.1",
    ...(links ? [] : [`--allow-read=${home}`, `--allow-write=${home}`]),
  ];
  // The weights do not come before the second process has said that it waits for them.
  const waits = Promise.withResolvers<void>();
  machine.hub.fail("cdn", /./, async (good) => {
    await waits.promise;
    return good;
  });
  const both = await Promise.all([0, 1].map(async () => {
    const { status, stdout, stderr } = machine.spawn("fetch", flags, ["fetch", WHOLE.name]);
    let told = "";
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      told += text;
      if (told.includes("Another process is downloading model.safetensors")) waits.resolve();
    }
    const path = (await new Response(stdout).text()).trim();
    return { code: (await status).code, path, told };
  }));
  for (const { code, path, told } of both) {
    assertEquals(code, 0, told);
    const weights = await Deno.readFile(`${path}/model.safetensors`);
    assertEquals(weights, WHOLE.revisions.main!["model.safetensors"]);
  }
  assertEquals(machine.hub.paths("cdn").length, 1);
}

Deno.test("when one of two processes is killed, the other goes on with what it left", async () => {
  await using machine = await new Machine();
  machine.hub.fail("cdn", /./, slowly(100, 100));
  const first = machine.spawn("fetch", ["--allow-net=127.0.0.1"], ["fetch", WHOLE.name]);
  const weights = WHOLE.revisions.main!["model.safetensors"]!;
  const folder = `${machine.cache}/models--acme--Wide-0.1B`;
  const unfinished = `${folder}/blobs/${sha256(weights)}.kvreplay.incomplete`;
  await until("the download", () => exists(unfinished) && Deno.statSync(unfinished).size > 2000);
  const second = machine.fetch([WHOLE.name]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  first.kill("SIGKILL");
  await output(first);
  const { code, stdout, stderr } = await second;
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readFile(`${stdout.trim()}/model.safetensors`), weights);
});

Deno.test("what is tried again is told on standard error", async () => {
  await using machine = await new Machine();
  machine.hub.fail("cdn", /./, cutAfter(30_000));
  const { code, stderr } = await machine.fetch([WHOLE.name]);
  assertEquals(code, 0);
  assertMatch(stderr, /^[^\n]+ trying again in 1 s\nacme\/Wide-0\.1B at commit /);
});
