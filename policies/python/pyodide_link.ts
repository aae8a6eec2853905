/**
 * A policy in Python, in Pyodide, in the sandbox's process.
 *
 * @module
 */
import { ChildLink } from "../../sandbox/child_link.ts";
import type { OpenPolicyLink } from "../guest/policy_link.ts";
import askPolicy from "./ask_policy.py" with { type: "text" };
import { askerArguments } from "./asker_words.ts";
import { pyodideFiles } from "./pyodide_files.ts";
import { pyodideGuest } from "./pyodide_guest.ts";

const encoder = new TextEncoder();
/** What there is to import. */
const LACKING =
  "; in the sandbox there is Python's standard library and no more: --python PATH runs the file in an interpreter of yours";
const NOTHING = new Uint8Array(0);
/**
 * Milliseconds that Python itself may take to start, where no line of the user's has run yet: two
 * seconds, and many more on a machine that is busy. What the file does then has the limit of its own.
 */
const OWN_START_MS = 120_000;

/** Starts a process for a policy that is a Python file. */
export const openPyodideLink: OpenPolicyLink = (source, limits, launch) => {
  const own = { ...limits, startMs: Math.max(OWN_START_MS, limits.startMs) };
  const link = new ChildLink(() => launch(limits, pyodideGuest), own);
  const ask = async (parts: readonly Uint8Array<ArrayBuffer>[], ms: number, awaited: string) => {
    const head = new Uint32Array(5);
    // Any first byte but that of a realm made afresh.
    head[0] = 2;
    parts.forEach((part, i) => head[1 + i] = part.length);
    const question = [new Uint8Array(head.buffer), ...parts];
    return new TextDecoder().decode(await link.askBytes(question, ms, awaited));
  };
  const given = (text: string, ms: number, awaited: string) =>
    ask([NOTHING, NOTHING, NOTHING, encoder.encode(text)], ms, awaited);
  return {
    pid: link.pid,
    async hello() {
      const { source: pyodide, wasm, library } = await pyodideFiles();
      await link.hello({ source: pyodide, language: "js" });
      const program = encoder.encode(askPolicy);
      const ready = await ask([wasm, library, program], own.startMs, "Python is not ready");
      // What is wrong with Python itself is told as what is wrong with a file.
      return ready === "A{}"
        ? given(askerArguments(source, LACKING), limits.startMs, "Not ready")
        : ready;
    },
    ask: given,
    close: () => link.close(),
  };
};
