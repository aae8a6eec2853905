/**
 * `deno task compile [TARGET | --portable] [--output FILE]`: makes one binary, with models, slices,
 * shaders and runtimes inside. Without a target it is for this machine, in `dist/`; else in
 * `dist/TARGET/`. With `--portable` it needs no base binary of Deno's: it is a file for this machine
 * that brings this very deno, in `dist/portable/`.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CompileTarget,
  compileTargets,
  isTargetName,
  type TargetName,
  targetOfTriple,
} from "./compile_targets.ts";
import { leftOut } from "./left_out.ts";
import { writePortable } from "./portable/portable.ts";

const PROJECT_URL = new URL("../", import.meta.url);
const PROJECT = fileURLToPath(PROJECT_URL);
/** Folder of the file that brings its deno. */
const PORTABLE = "portable";

interface Order {
  readonly name: TargetName;
  readonly target: CompileTarget;
  readonly portable: boolean;
  readonly output: string;
  /** Folder on the same disk for what is not finished. */
  readonly workshop: string;
}

function parse(args: readonly string[]): Order {
  const names = Object.keys(compileTargets).join(" | ");
  const expected = `expected [${names} | --portable] [--output FILE]`;
  const { _: [given, extra], output, portable } = parseArgs([...args], {
    string: ["output", "_"],
    boolean: ["portable"],
    unknown: (given, key) => {
      if (key !== undefined) throw new UserError(`Unknown option "${given}"; ${expected}`);
    },
  });
  if (extra !== undefined) throw new UserError(`Unknown argument "${extra}"; ${expected}`);
  const name = given ?? targetOfTriple(Deno.build.target) ?? Deno.build.target;
  if (!isTargetName(name)) throw new UserError(`Unknown target "${name}"; ${expected}`);
  if (portable) refusePortable(given);
  const target = compileTargets[name];
  if (output) return { name, target, portable, output, workshop: dirname(output) };
  const workshop = join(PROJECT, "dist");
  const folder = portable ? PORTABLE : given ?? "";
  return { name, target, portable, output: join(workshop, folder, target.file), workshop };
}

/** A file that brings its deno is for the machine that has it, and begins as a shell script. */
function refusePortable(target: string | undefined): void {
  if (target !== undefined) {
    throw new UserError(
      `--portable takes no target, but was given "${target}": it is for the machine it is made on`,
    );
  }
  if (Deno.build.os === "windows") {
    throw new UserError(`--portable needs a shell that ${Deno.build.os} has not: leave it out`);
  }
}

/** Runs `deno compile`; the result is what it wrote to standard error. */
async function denoCompile({ triple, ...target }: CompileTarget, output: string): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      ...["--target", triple, "--output", output],
      // The sandbox's process makes a worker without permissions.
      "--unstable-worker-options",
      // A binary cannot name itself before it has a place, so it may start any program; the
      // sandbox's process, which is the one it starts, gives up every permission first.
      ...["--no-prompt", "-P=binary"],
      ...["--frozen-lockfile", "--exclude-unused-npm"],
      ...leftOut({ triple, ...target }).flatMap((path) => ["--exclude", path]),
      "cli.ts",
    ],
    cwd: PROJECT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stderr);
  if (success) return text;
  throw withoutBase(text, triple) ?? new UserError(`Deno could not compile:\n${text.trimEnd()}`);
}

/** The error for a base binary that is not to be had; undefined when that is not what is wrong. */
function withoutBase(text: string, triple: string): UserError | undefined {
  const { deno } = Deno.version;
  const supply = `get denort-${triple}.zip of Deno ${deno} and set DENORT_BIN to the denort in it`;
  if (text.includes("Could not find denort at")) {
    return new UserError(
      `DENORT_BIN is "${Deno.env.get("DENORT_BIN")}", which is no file: ${supply}`,
    );
  }
  if (!/Setting up base binary|dl\.deno\.land/.test(text)) return undefined;
  return new UserError(`Deno's base binary cannot be downloaded from dl.deno.land: ${supply}`);
}

async function sameFile(a: string, b: string): Promise<boolean> {
  return await Deno.realPath(a) === await Deno.realPath(b);
}

/** Writes the binary, and tells what is in it where Deno lists that. */
async function make({ name, target, portable }: Order, written: string): Promise<void> {
  if (portable) return await writePortable(written, { project: PROJECT_URL, name, target });
  console.error((await denoCompile(target, written)).trimEnd());
}

async function compile(order: Order): Promise<void> {
  const { target, output, workshop } = order;
  await Deno.mkdir(workshop, { recursive: true });
  // In a folder of its own until it is complete, under its own name: a binary remembers that.
  const unfinished = await Deno.makeTempDir({ dir: workshop, prefix: ".unfinished-" });
  try {
    const written = join(unfinished, target.file);
    await make(order, written);
    await Deno.mkdir(dirname(output), { recursive: true });
    await Deno.rename(written, output);
    console.error(`\nThe binary is ${output}`);
  } finally {
    await Deno.remove(unfinished, { recursive: true });
  }
  const base = Deno.env.get("DENORT_BIN");
  if (!order.portable && base !== undefined && await sameFile(base, Deno.execPath())) {
    console.error("It holds everything but does not run: DENORT_BIN is deno, not denort");
  }
}

try {
  await compile(parse(Deno.args));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`compile: ${error.message}`);
  Deno.exit(1);
}
