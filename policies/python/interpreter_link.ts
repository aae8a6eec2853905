/**
 * A policy in Python, in an interpreter of the user's, behind bubblewrap's walls.
 *
 * @module
 */
import { resolve } from "node:path";
import { PolicyError } from "../check.ts";
import { shown } from "../../sandbox/shown.ts";
import { ChildLink } from "../../sandbox/child_link.ts";
import { DEFAULT_LIMITS, type SandboxLimits } from "../../sandbox/limits.ts";
import type { OpenPolicyLink } from "../guest/policy_link.ts";
import { askerArguments } from "./asker_words.ts";
import { type Interpreter, startInterpreter } from "./bubblewrap.ts";
import { pythonProgram } from "./python_program.ts";

/** What a policy may use unless others are given: PyTorch is large and slow to load. */
export const INTERPRETER_LIMITS: SandboxLimits = {
  ...DEFAULT_LIMITS,
  startMs: 60_000,
  memoryMib: 4096,
};

const PROGRAM = pythonProgram();

/** Starts processes for policies in Python, behind walls. */
export function interpreterLinks(interpreter: Interpreter): OpenPolicyLink {
  return linksTo(interpreter.executable, () => startInterpreter(interpreter, PROGRAM));
}

/**
 * Starts processes for policies in Python that may do what the user may do.
 *
 * @throws {PolicyError} when this program may not start the interpreter, or there is none
 */
export function trustedLinks(python: string): OpenPolicyLink {
  const { executable, start } = trustedInterpreter(python);
  return linksTo(executable, () => start(PROGRAM));
}

/**
 * An interpreter that is started without walls.
 *
 * @throws {PolicyError} when this program may not start it, or there is none
 */
export function trustedInterpreter(
  python: string,
): { readonly executable: string; start(program: string): Deno.ChildProcess } {
  const command = python.includes("/") ? resolve(python) : python;
  if (Deno.permissions.querySync({ name: "run", command }).state !== "granted") {
    throw new PolicyError(
      `This program may not start ${shown(python)}; allow it with --allow-run=${command}`,
    );
  }
  const start = (program: string) => {
    try {
      return new Deno.Command(command, {
        args: ["-s", "-c", program],
        env: { PYTHONHASHSEED: "0" },
        ...{ stdin: "piped", stdout: "piped", stderr: "piped", detached: true },
      }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new PolicyError(
        `--python is ${shown(python)}, which does not exist; expected an interpreter such as ` +
          `/usr/bin/python3`,
      );
    }
  };
  return { executable: command, start };
}

function linksTo(executable: string, start: () => Deno.ChildProcess): OpenPolicyLink {
  return (source, limits) => {
    const link = new ChildLink(start, limits);
    return {
      pid: link.pid,
      hello: () =>
        link.hello({
          source: askerArguments(source, ` in ${executable}`),
          language: "py",
        }),
      ask: (text, ms, awaited) => link.ask(text, ms, awaited),
      close: () => link.close(),
    };
  };
}
