/**
 * The user's own Python interpreter behind walls: what bubblewrap lets it see, and how it is started.
 *
 * @module
 */
import { resolve } from "node:path";
import { PolicyError } from "../check.ts";
import { shown } from "../../sandbox/shown.ts";
import { quoted } from "../../sandbox/sandbox_error.ts";
import { WALLED_ARGUMENT } from "./python_program.ts";

/** Where Linux distributions have it. The tasks may start this program and no other of its name. */
export const BUBBLEWRAP = "/usr/bin/bwrap";

/** What programs need besides the interpreter's own folders: the system's, and nobody's files. */
const SYSTEM = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"],
  ...["/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"],
];

/** Bytes of the only folder that can be written to; it is memory. */
const SCRATCH_BYTES = 2 ** 26;

/** Environment of the interpreter; with it sets of strings have one order in every run. */
const ENVIRONMENT = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/tmp",
  LANG: "C.UTF-8",
  PYTHONHASHSEED: "0",
  PYTHONDONTWRITEBYTECODE: "1",
};

/** An interpreter that was found. */
export interface Interpreter {
  /** Its own path, as it says itself. */
  readonly executable: string;
  /** Folders that it consists of: its prefix, and that of the one a virtual environment is made of. */
  readonly folders: readonly string[];
  /** The program and what leads to it, where that lies in none of these: `~/bin/python`. */
  readonly files: readonly string[];
}

const PROBE = `
import json, os, pwd, sys
folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
folders |= {os.path.realpath(path) for path in folders}
files = [sys.executable]
while os.path.islink(files[-1]) and len(files) < 40:
    files.append(os.path.join(os.path.dirname(files[-1]), os.readlink(files[-1])))
files = [os.path.normpath(path) for path in files]
inside = lambda path: any(os.path.commonpath([path, folder]) == folder for folder in folders)
try:
    home = pwd.getpwuid(os.getuid()).pw_dir
except KeyError:
    home = ""
print(json.dumps({
    "executable": sys.executable,
    "folders": sorted(folders),
    "files": [path for path in files if not inside(path)],
    "home": home,
}))
`;

/**
 * Asks an interpreter where it lives, with a read-only view of everything and no network.
 *
 * @throws {PolicyError} when bubblewrap or the interpreter cannot be used; one sentence
 */
export async function findInterpreter(python: string): Promise<Interpreter> {
  const instead = "or trust the file with --trust";
  const sentence = (what: string) =>
    new PolicyError(`--python runs files inside bubblewrap, and ${what}; ${instead}`);
  if (Deno.permissions.querySync({ name: "run", command: BUBBLEWRAP }).state !== "granted") {
    throw sentence(`this program may not start it: allow it with --allow-run=${BUBBLEWRAP}`);
  }
  let output: Deno.CommandOutput;
  try {
    output = await bubblewrap("null", [
      ...["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
      ...["--", /\//.test(python) ? resolve(python) : python, "-s", "-c", PROBE],
    ]).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw sentence(`there is no ${BUBBLEWRAP} here: install bubblewrap`);
  }
  const said = new TextDecoder().decode(output.stderr).trim().split("\n").at(-1)!;
  if (!output.success) {
    const missing = said.includes("execvp");
    if (!missing && said.startsWith("bwrap:")) {
      throw sentence(`it cannot be used here: ${quoted(said)}`);
    }
    throw noInterpreter(python, whyNot(said));
  }
  return checked(python, new TextDecoder().decode(output.stdout));
}

/** What a program said instead of where it lives; undefined where that would say nothing. */
function whyNot(said: string): string | undefined {
  if (said.includes("Permission denied")) return "it may not be run, or is a folder";
  if (said.includes("execvp")) return "there is no such program";
  // It took the question for a file's name or the like.
  return said === "" || said.includes(PROBE.trim().split("\n")[0]!) ? undefined : quoted(said);
}

function noInterpreter(python: string, why?: string): PolicyError {
  return new PolicyError(
    `--python is ${shown(python)}, which is no Python interpreter` +
      `${why === undefined ? "" : ` (${why})`}; expected one such as /usr/bin/python3`,
  );
}

function checked(python: string, said: string): Interpreter {
  let found: Partial<Interpreter & { readonly home: string }> = {};
  try {
    found = Object(JSON.parse(said));
  } catch {
    // It is none.
  }
  const { executable, folders, files, home } = found;
  if (typeof executable !== "string" || !Array.isArray(folders) || !Array.isArray(files)) {
    throw noInterpreter(python);
  }
  // Seen by the policy, so it must be a folder of Python and nothing else.
  const places = [["the folder that you are in", Deno.cwd()], [
    "your home",
    home || "/root",
  ]] as const;
  for (const [what, place] of places) {
    const open = folders.find((folder) => `${place}/`.startsWith(`${folder.replace(/\/$/, "")}/`));
    if (open === undefined) continue;
    throw new PolicyError(
      `The interpreter ${shown(python)} lives in ${shown(open)}, which holds ${what}; ` +
        `expected one in a folder of its own, such as a virtual environment`,
    );
  }
  return { executable, folders, files };
}

/** Starts the interpreter with a program, its standard streams piped. */
export function startInterpreter(
  { executable, folders, files }: Interpreter,
  program: string,
): Deno.ChildProcess {
  const bound = (paths: readonly string[]) =>
    paths.flatMap((path) => ["--ro-bind-try", path, path]);
  return bubblewrap("piped", [
    ...bound(SYSTEM),
    ...["--dev", "/dev", "--proc", "/proc", "--size", `${SCRATCH_BYTES}`, "--tmpfs", "/tmp"],
    ...bound([...folders, ...files]),
    // Memory that is shared through it has no limit.
    ...["--dev-bind", "/dev/null", "/dev/zero"],
    // Root's settings of the kernel are in /proc, and may be written without any capability.
    ...["--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/", "--chdir", "/tmp"],
    ...["--", executable, "-s", "-c", program, WALLED_ARGUMENT],
  ]).spawn();
}

function bubblewrap(stdin: "null" | "piped", args: readonly string[]): Deno.Command {
  return new Deno.Command(BUBBLEWRAP, {
    args: [
      ...["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"],
      ...["--clearenv", ...Object.entries(ENVIRONMENT).flatMap(([k, v]) => ["--setenv", k, v])],
      ...args,
    ],
    clearEnv: true,
    env: {},
    cwd: "/",
    stdin,
    stdout: "piped",
    stderr: "piped",
    // Ctrl-C is the evaluator's affair.
    detached: true,
  });
}
