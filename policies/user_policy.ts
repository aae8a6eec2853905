/**
 * A user's policy file, behind the same interface as the built-ins: in the sandbox, or in this
 * process when the user trusts it.
 *
 * @module
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { PolicyError } from "./check.ts";
import { InProcessHost, type PolicyHost } from "./host.ts";
import type { Policy } from "./policy.ts";
import { shown } from "../sandbox/shown.ts";
import { exportProblem } from "../sandbox/default_export.ts";
import { limitsWith } from "../sandbox/limits.ts";
import { quoted, SandboxError } from "../sandbox/sandbox_error.ts";
import type { PolicySource } from "./guest/policy_link.ts";
import { SandboxHost } from "./guest/sandbox_host.ts";
import type { SandboxOptions } from "../sandbox/child.ts";
import { findInterpreter } from "./python/bubblewrap.ts";
import { INTERPRETER_LIMITS, interpreterLinks, trustedLinks } from "./python/interpreter_link.ts";
import { openPyodideLink } from "./python/pyodide_link.ts";
import {
  endingOf,
  type FileKind,
  fileName,
  MODULE_ENDINGS,
  readUserFile,
  reportedName,
} from "./user_file.ts";

/**
 * How a policy file is opened.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { openPolicyFile, type PolicyFileOptions } from "@kvreplay/kvreplay/policies";
 *
 * const path = await Deno.makeTempFile({ suffix: ".js" });
 * await Deno.writeTextFile(path, `export default {
 *   choose_bits: () => 2,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 * };`);
 * const notices: string[] = [];
 * // For a debugger, which the sandbox keeps out.
 * const options: PolicyFileOptions = { trust: true, notice: (text) => notices.push(text) };
 * await using _host = await openPolicyFile(path, options);
 * assertMatch(notices[0]!, /is trusted: it runs without a sandbox/);
 * await Deno.remove(path);
 * ```
 */
export interface PolicyFileOptions extends SandboxOptions {
  /** Runs the file in this process, with everything this process may do. For debugging. */
  readonly trust?: boolean;
  /**
   * A Python interpreter of yours, such as `/usr/bin/python3` or that of a virtual environment: Python
   * files run in it, inside bubblewrap, and may import what it has. Without, they run in Pyodide.
   */
  readonly python?: string;
  /** Takes a sentence for the user; by default it is written to standard error. */
  readonly notice?: (sentence: string) => void;
}

const POLICY: FileKind = { what: "Policy", endings: [...MODULE_ENDINGS, ".py"] };

/** Whether a value of `--policy` means a file and not the name of a built-in. */
export function isPolicyPath(value: string): boolean {
  return /[/\\]/.test(value) || POLICY.endings.some((ending) => value.endsWith(ending));
}

/**
 * Opens a policy file. Results are reported under the file's name without its ending. In the sandbox
 * it runs in a process, which keeps the program from ending until the host is closed: hold it with
 * `await using`.
 *
 * @throws {PolicyError} for a file that is not there, is no module, has the name of a built-in,
 *   lacks a method or, in the sandbox, exceeds a limit; one sentence
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { PolicyError } from "./check.ts";
 * import { openPolicyFile } from "./user_policy.ts";
 *
 * await assertRejects(
 *   () => openPolicyFile("./no_such_policy.ts"),
 *   PolicyError,
 *   'Policy file "./no_such_policy.ts" does not exist',
 * );
 * ```
 */
export async function openPolicyFile(
  path: string,
  options: PolicyFileOptions = {},
): Promise<PolicyHost> {
  const ending = endingOf(path, POLICY);
  const bytes = await readUserFile(
    path,
    POLICY.what,
    limitsWith(options.limits ?? {}).messageBytes,
    "; a policy has fewer, unless --policy-message-bytes says otherwise",
  );
  const text = new TextDecoder().decode(bytes);
  const name = reportedName(path, POLICY);
  const language = ending === ".py" ? "py" : ending.endsWith("ts") ? "ts" : "js";
  const source = { name, text, language } as const;
  if (!options.trust) return await sandboxed(source, options);
  if (language === "py" && options.python === undefined) {
    throw new PolicyError(
      `Policy file ${shown(path)} is in Python, and trusted: name an interpreter with --python`,
    );
  }
  const notice = options.notice ?? ((sentence) => console.error(sentence));
  notice(
    `Policy ${name} is trusted: it runs without a sandbox and may do what this program may do`,
  );
  if (language === "py") return await sandboxed(source, options);
  return new InProcessHost(name, await trusted(path));
}

/**
 * The name under which the results of a policy file are reported: one word.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { policyFileName } from "./user_policy.ts";
 *
 * assertEquals(policyFileName("my policies/two bits.ts"), "two_bits");
 * ```
 */
export function policyFileName(path: string): string {
  return fileName(path, POLICY.endings);
}

/** A policy in a process of its own. */
async function sandboxed(source: PolicySource, options: PolicyFileOptions): Promise<PolicyHost> {
  try {
    if (source.language !== "py") return await SandboxHost.open(source, options);
    const { python } = options;
    if (python === undefined) return await SandboxHost.open(source, options, openPyodideLink);
    const limits = { ...INTERPRETER_LIMITS, ...options.limits };
    const links = options.trust
      ? trustedLinks(python)
      : interpreterLinks(await findInterpreter(python));
    return await SandboxHost.open(source, { ...options, limits }, links);
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    throw new PolicyError(`Policy ${source.name}: ${error.message}`, { cause: error });
  }
}

async function trusted(path: string): Promise<Policy | (new () => Policy)> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(resolve(path)).href)).default;
  } catch (error) {
    throw new PolicyError(
      `Policy file ${shown(path)} cannot be loaded: ${quoted((error as Error).message)}`,
    );
  }
  const problem = exportProblem(exported);
  if (problem !== undefined) throw new PolicyError(`Policy file ${shown(path)}: ${problem}`);
  return exported as Policy | (new () => Policy);
}
