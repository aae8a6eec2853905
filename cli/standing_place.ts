/**
 * Where the user stands. A task runs in the folder of its deno.json, wherever it is called from.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Where `deno task` says that it was called. */
export const TASK_VARIABLE = "INIT_CWD";

/**
 * Goes to where the user stands, so that paths of options and variables begin there. Nothing happens in
 * a program that no task of this project started: another's variable says nothing about it.
 */
export function standWhereTheUserDoes(): void {
  if (Deno.build.standalone || !import.meta.url.startsWith("file:")) return;
  // A command without the permission takes no paths.
  const { state } = Deno.permissions.querySync({ name: "env", variable: TASK_VARIABLE });
  const place = state === "granted" ? Deno.env.get(TASK_VARIABLE) : undefined;
  const here = Deno.cwd();
  // Going to where one is would still take the permission to read it.
  if (!place || place === here) return;
  if (here === fileURLToPath(new URL("..", import.meta.url)).slice(0, -1)) Deno.chdir(place);
}
