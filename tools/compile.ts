/**
 * `deno task compile [TARGET] [--output FILE]`: makes one binary, with models, slices, shaders and
 * runtimes inside. Without a target it is for this machine, in `dist/`; else in `dist/TARGET/`.
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
  targetOfTriple,
} from "./compile_targets.ts";
import { leftOut } from "./left_out.ts";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));

interface Order {
  readonly target: CompileTarget;
  readonly output: string;
  /** Folder on the same disk for what is not finished. */
  readonly workshop: string;
}

function parse(args: readonly string[]): Order {
  const expected = `expected [${Object.keys(compileTargets).join(" | ")}] [--output FILE]`;
  const { _: [name, extra], output } = parseArgs([...args], {
    string: ["output", "_"],
    unknown: (given, key) => {
      if (key !== undefined) throw new UserError(`Unknown option "${given}"; ${expected}`);
    },
  });
  if (extra !== undefined) throw new UserError(`Unknown argument "${extra}"; ${expected}`);
  const known = name ?? targetOfTriple(Deno.build.target) ?? Deno.build.target;
  if (!isTargetName(known)) throw new UserError(`Unknown target "${known}"; ${expected}`);
  const target = compileTargets[known];
  if (output) return { target, output, workshop: dirname(output) };
  const workshop = join(PROJECT, "dist");
  return { target, output: join(workshop, name ?? "", target.file), workshop };
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

async function compile({ target, output, workshop }: Order): Promise<void> {
  await Deno.mkdir(workshop, { recursive: true });
  // In a folder of its own until it is complete, under its own name: a binary remembers that.
  const unfinished = await Deno.makeTempDir({ dir: workshop, prefix: ".unfinished-" });
  try {
    const written = join(unfinished, target.file);
    const listing = await denoCompile(target, written);
    await Deno.mkdir(dirname(output), { recursive: true });
    await Deno.rename(written, output);
    console.error(listing.trimEnd());
    console.error(`\nThe binary is ${output}`);
  } finally {
    await Deno.remove(unfinished, { recursive: true });
  }
  const base = Deno.env.get("DENORT_BIN");
  if (base !== undefined && await sameFile(base, Deno.execPath())) {
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
