/**
 * @module
 */
import { basename } from "node:path";

/** What deno is called in the file that brings its own: it is the program. */
export const PROGRAM_NAME = "kvreplay";

/** What that file's deno is started with: it reads what lies in the file's folder, and nothing else. */
export const OWN_PROGRAM_FLAGS = [
  ...["--no-lock", "--cached-only", "--no-code-cache", "--node-modules-dir=manual"],
];

/** Whether this program is one of its own, a binary or the file that brings its deno. */
export function isOwnProgram(): boolean {
  return Deno.build.standalone || basename(Deno.execPath()) === PROGRAM_NAME;
}

/** A command as whoever runs this program would give it: to the program, or as a task. */
export function commandText(command: string): string {
  return `${isOwnProgram() ? PROGRAM_NAME : "deno task"} ${command}`;
}
