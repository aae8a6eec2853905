/**
 * Trees of the project, and the processes that measure them.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors.ts";
import { linesOf } from "../../sweep/text_lines.ts";
import type { Answer } from "./sitting.ts";

const SITTING = fileURLToPath(new URL("sitting.ts", import.meta.url));

/** A tree of the project, and a folder for what it keeps from one sitting to the next. */
export interface Tree {
  readonly name: string;
  readonly folder: string;
  readonly cache: string;
}

/** What every sitting measures. */
export interface Measured {
  readonly slice: string;
  /** Examples of it. */
  readonly limit: number;
}

async function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command("git", {
    args: ["-C", folder, ...args],
    stdin: "null",
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}

/**
 * Puts a revision of a project's repository into a new folder.
 *
 * @throws {UserError} when the folder has no repository, or that no such revision
 */
export async function checkOut(project: string, revision: string, folder: string): Promise<string> {
  const commit = await git(project, "rev-parse", "--verify", "--quiet", `${revision}^{commit}`);
  if (commit === undefined) {
    throw new UserError(
      `There is no revision ${JSON.stringify(revision)} in the repository of ${project}; ` +
        `give a commit, a branch or a tag of it, such as HEAD`,
    );
  }
  const cloned = await git(project, "clone", "--quiet", "--shared", "--no-checkout", ".", folder);
  if (
    cloned === undefined ||
    await git(folder, "checkout", "--quiet", "--detach", commit) === undefined
  ) {
    throw new UserError(`The revision ${revision} could not be checked out to ${folder}`);
  }
  return commit;
}

/** A policy that a tree does not have, or that fails there. */
export class ReplayFailureError extends UserError {
  override name = "ReplayFailureError";
}

/** One process that measures a tree. */
export class Sitting implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #answers: ReadableStreamDefaultReader<string>;
  readonly #questions: WritableStreamDefaultWriter<Uint8Array>;

  constructor(private readonly tree: Tree, { slice, limit }: Measured) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--config", join(tree.folder, "deno.json")],
        ...["--allow-read", "--allow-write", "--allow-ffi", "--allow-env", "--allow-sys"],
        ...[SITTING, tree.folder, tree.cache, slice, `${limit}`],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#answers = linesOf(this.#child.stdout).getReader();
    this.#questions = this.#child.stdin.getWriter();
  }

  /**
   * Steps a second under a policy.
   *
   * @throws {ReplayFailureError} when the tree cannot replay it
   * @throws {UserError} when the process is gone
   */
  async measure(policy: string): Promise<number> {
    // A process that is gone cannot be asked, and gives no answer either.
    await this.#questions.write(new TextEncoder().encode(`${policy}\n`)).catch(() => {});
    const { value, done } = await this.#answers.read();
    if (done) throw new UserError(`The process that measures ${this.tree.name} ended early`);
    const answer: Answer = JSON.parse(value);
    if ("stepsPerSecond" in answer) return answer.stepsPerSecond;
    throw new ReplayFailureError(`Policy ${policy} fails in ${this.tree.name}: ${answer.failure}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#questions.close().catch(() => {});
    await this.#answers.cancel();
    await this.#child.status;
  }
}
