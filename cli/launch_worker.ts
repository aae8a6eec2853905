/**
 * Starts this program again, as a worker of a sweep.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { isOwnProgram, OWN_PROGRAM_FLAGS } from "../engine/command_text.ts";
import { UserError } from "../errors.ts";

/** The action that a worker is started with; it is no user's. */
export const WORKER_ACTION = "worker";

/**
 * Starts a worker, all three streams piped. It may do what a replay may, and nothing else.
 *
 * @param sandbox whether it may start processes of the sandbox, for code of the user's
 */
export function launchWorker(sandbox: boolean): Deno.ChildProcess {
  const command = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command }).state !== "granted") {
    throw new UserError(`Workers are processes: allow them with --allow-run=${command}`);
  }
  const file = (name: string) => fileURLToPath(import.meta.resolve(`../${name}`));
  const program = Deno.build.standalone ? [] : [
    ...["run", "--no-prompt", "--quiet", "-P=replay", "--config", file("deno.json")],
    ...(sandbox ? [`--allow-run=${command}`] : []),
    ...(isOwnProgram() ? OWN_PROGRAM_FLAGS : []),
    file("cli.ts"),
  ];
  return new Deno.Command(command, {
    args: [...program, "sweep", WORKER_ACTION],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
