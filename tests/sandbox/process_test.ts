/** The sandbox's process from outside: that it ends when the evaluator does, and what it may do. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import { type LaunchChild, launchDeno, SANDBOX_CHILD_ARGUMENT } from "../../sandbox/child.ts";
import { childMain } from "../../sandbox/child_main.ts";
import { ChildLink } from "../../sandbox/child_link.ts";
import { FRAME_KINDS, frameCodec } from "../../sandbox/frame.ts";
import { policyGuest } from "../../policies/guest/policy_guest.ts";
import { REALM_GLOBALS } from "../../sandbox/realm_seal.ts";
import { SLATE_BYTES, slateSide } from "../../sandbox/slate.ts";
import { workerMain } from "../../sandbox/worker_main.ts";
import { DEFAULT_LIMITS } from "../../sandbox/limits.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";

const here = (file: string) => new URL(file, import.meta.url).pathname;

/** Waits until a condition holds; false when it does not within ten seconds. */
async function soon(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200; i++) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function isRunning(pid: number): boolean {
  const { success, stdout } = new Deno.Command("ps", {
    args: ["-o", "stat=", "-p", String(pid)],
    stdout: "piped",
  }).outputSync();
  return success && !new TextDecoder().decode(stdout).startsWith("Z");
}

for (const what of ["wait", "ask"]) {
  Deno.test(`a killed evaluator leaves no process behind (${what})`, async () => {
    const evaluator = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", here("./outlive.ts"), what],
      stdout: "piped",
    }).spawn();
    const lines = evaluator.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const pid = parseInt((await lines.read()).value ?? "");
    assert(isRunning(pid));
    // The question must have reached the policy.
    if (what === "ask") await new Promise((resolve) => setTimeout(resolve, 300));
    evaluator.kill("SIGKILL");
    await evaluator.status;
    await lines.cancel();
    assert(await soon(() => !isRunning(pid)), `process ${pid} goes on`);
  });
}

Deno.test({
  name: "a process that left another behind, with its output open, keeps nobody waiting",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const start = () =>
      new Deno.Command("/bin/sh", {
        args: ["-c", "sleep 600 & exit 3"],
        ...{ stdin: "piped", stdout: "piped", stderr: "piped", detached: true },
      }).spawn();
    const link = new ChildLink(start, { ...DEFAULT_LIMITS, startMs: 300 });
    const { message } = await assertRejects(
      () => link.hello({ source: "", language: "js" }),
      Error,
    );
    assertEquals(message, "timed out: Not ready within 0.3 s");
    await link.close();
    // It still runs: this throws when there is none in the group.
    Deno.kill(-link.pid, "SIGKILL");
  },
});

Deno.test("the process is given no environment, no folder and no permission", async () => {
  Deno.env.set("HF_TOKEN", "hf_secret");
  await using host = await SandboxHost.open({
    name: "mine",
    text: `export default {
      choose_bits: () => 4, choose_axis: () => "token", residual_length: () => 0,
      calibration_mode: () => "none",
    };`,
    language: "js",
  });
  await host.plan(miniQuestion(0));
  if (Deno.build.os !== "linux") return;
  // Other programs look, because Deno keeps these files from its own unless all is allowed.
  const shown = (command: string, ...args: string[]) => {
    const { stdout } = new Deno.Command(command, { args, stdout: "piped" }).outputSync();
    return new TextDecoder().decode(stdout).trimEnd();
  };
  const proc = `/proc/${host.pid}`;
  const environment = shown("cat", `${proc}/environ`).split("\0").filter((line) => line !== "");
  assertEquals(environment.sort(), ["DENO_DIR=/dev/null/none", "NO_COLOR=1"]);
  Deno.env.delete("HF_TOKEN");
  assertEquals(shown("readlink", `${proc}/cwd`), "/");
  const args = shown("cat", `${proc}/cmdline`).split("\0");
  assertEquals(args.filter((arg) => arg.startsWith("--allow")), []);
  // Whatever it has open are pipes to the evaluator and the runtime's own event queues; and an empty
  // log of onnxruntime's, once the evaluator has loaded that.
  for (const name of shown("ls", `${proc}/fd`).split("\n")) {
    assertMatch(
      shown("readlink", `${proc}/fd/${name}`),
      new RegExp(
        String
          .raw`^(pipe:|socket:|anon_inode:|/dev/(null|urandom)$|.*/mat-debug-${Deno.pid}\.log$)`,
      ),
    );
  }
});

/** Runs `program` in a process that may do everything, as a compiled binary may. */
function launchFree(program: string): LaunchChild {
  return () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        "--no-config",
        "--unstable-worker-options",
        `data:application/javascript,${encodeURIComponent(program)}`,
      ],
      env: { HF_TOKEN: "hf_secret" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
}

async function firstReply(launch: LaunchChild): Promise<string> {
  const link = new ChildLink(() => launch(DEFAULT_LIMITS, policyGuest), DEFAULT_LIMITS);
  try {
    return await link.hello({ source: "", language: "js" });
  } finally {
    await link.close();
  }
}

const kinds = JSON.stringify({ reply: FRAME_KINDS.reply, end: FRAME_KINDS.end });

Deno.test("a process that may do everything gives it up before it loads a policy", async () => {
  // In the place of the slate: what the main thread may do once it waits for the worker.
  const reply = await firstReply(launchFree(`(${childMain})({
    frameCodec: ${frameCodec}, kinds: ${kinds}, slateBytes: 64,
    slateSide: () => ({
      send() {},
      receive(_pause, room) {
        const bytes = new TextEncoder().encode(JSON.stringify(
          ["read", "write", "net", "env", "run", "sys", "ffi", "import"]
            .map((name) => Deno.permissions.querySync({ name }).state)));
        const reply = room(bytes.length);
        reply.set(bytes);
        return reply;
      },
    }),
    workerSource: 'addEventListener("message", () => postMessage("up"))',
  })`));
  assertEquals(new Set(JSON.parse(reply)), new Set(["prompt"]));
});

Deno.test("a worker of such a process has no permission, and reads no token", async () => {
  const home = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  const token = `${home}/token`;
  await Deno.writeTextFile(token, "hf_secret");
  const attempts = `[
    () => Deno.readTextFileSync(${JSON.stringify(token)}),
    () => Deno.env.get("HF_TOKEN"),
    () => Deno.readTextFileSync("/etc/hostname"),
    () => Deno.writeTextFileSync("/tmp/kvreplay-forged", ""),
    () => Deno.env.get("PATH"),
    () => new Deno.Command("true").outputSync(),
    () => Deno.hostname(),
  ].map((attempt) => { try { attempt(); return "done"; } catch { return "refused"; } })`;
  const reply = await firstReply(launchFree(`(${childMain})({
    frameCodec: ${frameCodec}, kinds: ${kinds}, slateBytes: 4096,
    slateSide: (memory) => ({
      send() {},
      receive(_pause, room) {
        const words = new Int32Array(memory, 0, 1);
        Atomics.wait(words, 0, 0, 5000);
        const reply = room(words[0]);
        reply.set(new Uint8Array(memory, 4, words[0]));
        return reply;
      },
    }),
    workerSource: ${
    JSON.stringify(`addEventListener("message", ({ data }) => {
      postMessage("up");
      const bytes = new TextEncoder().encode(JSON.stringify(${attempts}));
      new Uint8Array(data, 4).set(bytes);
      Atomics.store(new Int32Array(data), 0, bytes.length);
      Atomics.notify(new Int32Array(data), 0);
    })`)
  },
  })`));
  await Deno.remove(home, { recursive: true });
  assertEquals(JSON.parse(reply), Array(7).fill("refused"));
});

Deno.test("the worker's own realm keeps the language only, and nothing that makes code", async () => {
  // In the place of node:vm, which is called just before the policy's realm would be made.
  const left = `{
    const names = Reflect.ownKeys(globalThis).filter((name) => typeof name === "string");
    const makers = [() => {}, async () => {}, function* () {}, async function* () {}];
    throw new Error(JSON.stringify([names, makers.map((made) => typeof made.constructor)]));
  }`;
  const program = `(${childMain})({
    frameCodec: ${frameCodec}, kinds: ${kinds}, slateBytes: ${SLATE_BYTES}, slateSide: ${slateSide},
    workerSource: ${
    JSON.stringify(`
      import { registerHooks, stripTypeScriptTypes } from "node:module";
      (${workerMain})({
        vm: { constants: {}, createContext() ${left} },
        registerHooks, stripTypeScriptTypes, slateSide: ${slateSide},
        realmSource: "", globals: ${JSON.stringify(REALM_GLOBALS)}, binary: false, fresh: 1,
      })`)
  },
  })`;
  const reply = await firstReply(launchFree(program));
  const [names, makers] = JSON.parse(reply.replace("LError: ", "")) as [string[], string[]];
  assertEquals(names.filter((name) => !REALM_GLOBALS.includes(name)), []);
  assertEquals(names.filter((name) => ["Function", "eval", "Deno", "process"].includes(name)), []);
  assertEquals(makers, Array(4).fill("undefined"));
});

/** As a compiled binary starts itself: the command line's own entry with the hidden argument. */
const launchItself: LaunchChild = () =>
  new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      "--unstable-worker-options",
      here("../../cli.ts"),
      SANDBOX_CHILD_ARGUMENT,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

Deno.test("the command line's own entry serves as the sandbox's process", async () => {
  const text = await Deno.readTextFile(here("./attacks/leave_realm.js"));
  const answers = [];
  for (const launch of [launchDeno, launchItself]) {
    await using host = await SandboxHost.open({ name: "leave", text, language: "js" }, { launch });
    answers.push(await host.plan(miniQuestion(0)));
  }
  assertEquals(answers[1], answers[0]);
});

Deno.test("memory is limited in the command line's own entry, too", async () => {
  const text = await Deno.readTextFile(here("./attacks/buffers.js"));
  await using host = await SandboxHost.open({ name: "buffers", text, language: "js" }, {
    launch: launchItself,
    limits: { memoryMib: 128 },
  });
  let sentence = "";
  try {
    await host.plan(miniQuestion(0));
  } catch (error) {
    sentence = (error as Error).message;
  }
  assertEquals(sentence, "out of memory: It took more than 128 MiB");
});
