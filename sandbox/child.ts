/**
 * The sandbox's process: its entry, and how it is started. Under `deno run` a second Deno is started
 * without any permission and with its whole program in one argument, so that it reads no file; a
 * compiled binary starts itself with a hidden argument, and gives its permissions up at once.
 *
 * @module
 */
import { PolicyError } from "./policy_error.ts";
import { childMain } from "./child_main.ts";
import { FRAME_KINDS, frameCodec } from "./frame.ts";
import type { SandboxLimits } from "./limits.ts";
import { SLATE_BYTES, slateSide } from "./slate.ts";
import { FRESH_REALM, workerMain } from "./worker_main.ts";

/** The hidden argument with which a compiled binary starts itself as the sandbox's process. */
export const SANDBOX_CHILD_ARGUMENT = "--sandbox-child";

/** A call of a function that refers to nothing outside itself, as text. */
export function callText(fn: unknown, parts: Readonly<Record<string, string>>): string {
  const given = Object.entries(parts).map(([name, text]) => `${JSON.stringify(name)}: ${text}`);
  return `(${fn})({ ${given.join(", ")} })`;
}

/**
 * What kind of code runs in a process of the sandbox.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { type Guest, openPolicyFile } from "@kvreplay/kvreplay/policies";
 *
 * const path = await Deno.makeTempFile({ suffix: ".js" });
 * await Deno.writeTextFile(path, "export default {};");
 * const asked: string[] = [];
 * // What a launcher is told besides the limits.
 * const launch = (_limits: unknown, { name }: Guest): Deno.ChildProcess => {
 *   asked.push(name);
 *   return new Deno.Command(Deno.execPath(), {
 *     args: ["--version"],
 *     ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
 *   }).spawn();
 * };
 * const sentence = await openPolicyFile(path, { launch }).catch(({ message }) => message);
 * assertMatch(`${asked}: ${sentence}`, /^policy: Policy \w+: crashed: /);
 * await Deno.remove(path);
 * ```
 */
export interface Guest {
  /** What it is called in the arguments of a compiled binary. */
  readonly name: string;
  /** Text of the module that runs it in its realm; exports that by default. */
  realmSource(): string;
  /** Global names that it keeps. */
  readonly globals: readonly string[];
  /** Whether it may compile WebAssembly, and is asked and replies in bytes. */
  readonly binary: boolean;
}

function workerSource(guest: Guest): string {
  return 'import vm from "node:vm"; import { registerHooks, stripTypeScriptTypes } from "node:module"; ' +
    callText(workerMain, {
      vm: "vm",
      registerHooks: "registerHooks",
      stripTypeScriptTypes: "stripTypeScriptTypes",
      slateSide: String(slateSide),
      realmSource: JSON.stringify(guest.realmSource()),
      globals: JSON.stringify(guest.globals),
      binary: String(guest.binary),
      fresh: String(FRESH_REALM),
    });
}

const CHILD_KINDS = { reply: FRAME_KINDS.reply, end: FRAME_KINDS.end };

/**
 * Runs this process as the sandbox's, until the evaluator closes it. For the command line's hidden
 * argument; it must be called before anything else happens in the process.
 */
export function runSandboxChild(guest: Guest): Promise<never> {
  return childMain({
    frameCodec,
    kinds: CHILD_KINDS,
    slateSide,
    slateBytes: SLATE_BYTES,
    workerSource: workerSource(guest),
  });
}

/**
 * Starts the sandbox's process, with all three standard streams piped.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fileURLToPath } from "node:url";
 * import { type LaunchChild, openPolicyFile } from "@kvreplay/kvreplay/policies";
 *
 * // The command line serves as the process, too: for a program that cannot be started as Deno.
 * const args = ["run", "-A", "--unstable-worker-options"];
 * const cli = fileURLToPath(import.meta.resolve("../cli.ts"));
 * const launch: LaunchChild = () =>
 *   new Deno.Command(Deno.execPath(), {
 *     args: [...args, cli, "--sandbox-child"],
 *     ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
 *   }).spawn();
 * const path = await Deno.makeTempFile({ suffix: ".js" });
 * await Deno.writeTextFile(path, `export default {
 *   choose_bits: () => 2,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 * };`);
 * const host = await openPolicyFile(path, { launch });
 * assertEquals(host.hooks, []);
 * await host.close();
 * await Deno.remove(path);
 * ```
 */
export type LaunchChild = (limits: SandboxLimits, guest: Guest) => Deno.ChildProcess;

/**
 * How the sandbox is set up.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { openPolicyFile, PolicyError, type SandboxOptions } from "@kvreplay/kvreplay/policies";
 *
 * const options: SandboxOptions = { limits: { memoryMib: 64 } };
 * const path = await Deno.makeTempFile({ suffix: ".ts" });
 * await Deno.writeTextFile(path, "export const all = new Uint8Array(2 ** 28).fill(1);");
 * await assertRejects(() => openPolicyFile(path, options), PolicyError, "64 MiB");
 * await Deno.remove(path);
 * ```
 */
export interface SandboxOptions {
  /** What the policy may use; the defaults where absent. */
  readonly limits?: Partial<SandboxLimits>;
  /** How the process is started; by default as fits how this program was started. */
  readonly launch?: LaunchChild;
}

/** Flags of the second Deno: nothing is allowed, nothing is asked, nothing is fetched or written. */
export function denoFlags(
  { memoryMib }: SandboxLimits,
  { binary }: Pick<Guest, "binary"> = { binary: false },
): string[] {
  const denied = ["read", "write", "net", "env", "run", "sys", "ffi", "import"];
  return [
    ...["--no-prompt", "--no-config", "--no-remote", "--no-npm", "--no-lock", "--cached-only"],
    ...["--no-code-cache", "--no-check", "--unstable-worker-options"],
    ...denied.map((name) => `--deny-${name}`),
    `--v8-flags=--max-old-space-size=${memoryMib},--disallow-code-generation-from-strings` +
    // Two such guests and the evaluator work at once: other threads of a guest would be in the way.
    (binary ? ",--single-threaded-gc" : ""),
  ];
}

/** Starts a second Deno without permissions. */
export const launchDeno: LaunchChild = (limits, guest) => {
  const program = callText(childMain, {
    frameCodec: String(frameCodec),
    kinds: JSON.stringify(CHILD_KINDS),
    slateSide: String(slateSide),
    slateBytes: String(SLATE_BYTES),
    workerSource: JSON.stringify(workerSource(guest)),
  });
  const url = `data:application/javascript,${encodeURIComponent(program)}`;
  return spawn(["run", ...denoFlags(limits, guest), url]);
};

/** Starts this very program again; `before` are arguments that lead to its own (none in a binary). */
export const launchSelf = (before: readonly string[] = []): LaunchChild => (_, guest) =>
  spawn([...before, SANDBOX_CHILD_ARGUMENT, guest.name]);

/** The launcher that fits how this program itself was started. */
export const launchChild: LaunchChild = Deno.build.standalone ? launchSelf() : launchDeno;

function spawn(args: string[]): Deno.ChildProcess {
  const command = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command }).state !== "granted") {
    throw new PolicyError(
      `A policy file runs in a process of its own: allow it with --allow-run=${command}, or trust the file with --trust`,
    );
  }
  const windows = Deno.build.os === "windows";
  return new Deno.Command(command, {
    args,
    clearEnv: true,
    // A folder that cannot be made: nothing is cached, nothing is written.
    env: { DENO_DIR: windows ? "NUL\\none" : "/dev/null/none", NO_COLOR: "1" },
    cwd: windows ? "C:\\" : "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    // In a group of its own: Ctrl-C is the evaluator's affair, and no policy's failure. The process
    // ends when the evaluator does.
    detached: true,
  }).spawn();
}
