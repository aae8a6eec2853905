/**
 * The program of a process that runs Python files in an interpreter of the user's.
 *
 * @module
 */
import askPolicy from "./ask_policy.py" with { type: "text" };
import pythonChild from "./python_child.py" with { type: "text" };
import pythonWalls from "./python_walls.py" with { type: "text" };

/** Argument with which the program gives up what bubblewrap cannot take from it. */
export const WALLED_ARGUMENT = "walled";

/** The program; `askers` are texts that follow the one that asks policies, and change what is asked. */
export function pythonProgram(...askers: readonly string[]): string {
  return [askPolicy, ...askers, pythonWalls, pythonChild].join("\n");
}
