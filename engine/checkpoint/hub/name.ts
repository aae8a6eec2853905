/**
 * What a user calls a model of the hub: `OWNER/NAME`, at a revision, and one of its GGUF files.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";

/** What kind of thing a repository of the hub holds. */
export type HubRepoType = "model" | "dataset";

/** A repository of the hub. */
export interface HubRepo {
  readonly type: HubRepoType;
  /** `OWNER/NAME`. */
  readonly name: string;
}

/** A model of the hub, as a user names it. */
export interface HubName {
  readonly repo: HubRepo;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** One GGUF file of the repository; absent for its safetensors folder. */
  readonly file?: string;
}

/** The branch that is meant where no revision is named. */
export const DEFAULT_REVISION = "main";

/** `OWNER/NAME`, then `@REVISION` and `:FILE`; what cannot be a path relative to this folder. */
const SHAPE =
  /^(?<name>[^/\\\s@:.~][^/\\\s@:]*\/[^/\\\s@:]+)(?:@(?<revision>[^:]*))?(?::(?<file>.*))?$/s;

/**
 * Reads a name of the hub.
 *
 * @returns undefined for a text that has not the shape of one
 * @throws {UserError} for one that has, and cannot be one
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseHubName } from "./name.ts";
 *
 * assertEquals(parseHubName("Qwen/Qwen2.5-0.5B-Instruct-GGUF@v1:q4_0.gguf"), {
 *   repo: { type: "model", name: "Qwen/Qwen2.5-0.5B-Instruct-GGUF" },
 *   revision: "v1",
 *   file: "q4_0.gguf",
 * });
 * assertEquals(parseHubName("./Qwen/Qwen2.5-0.5B-Instruct"), undefined);
 * ```
 */
export function parseHubName(text: string): HubName | undefined {
  const { name, revision = DEFAULT_REVISION, file } = SHAPE.exec(text)?.groups ?? {};
  if (name === undefined) return undefined;
  if (!isRepoName(name)) {
    throw new UserError(
      `${
        JSON.stringify(text)
      } is no name of a model: owner and name have letters, digits, "-", "_" and ".", begin and end with a letter, a digit or "_", and have no "--" or ".."`,
    );
  }
  if (!isRevision(revision)) {
    throw new UserError(
      `${
        JSON.stringify(text)
      } names no revision after "@": give a branch, a tag or a commit, as in ${name}@main`,
    );
  }
  if (file !== undefined && !(isRepoPath(file) && file.endsWith(".gguf"))) {
    throw new UserError(
      `${
        JSON.stringify(text)
      } names no GGUF file after ":": give its path in the repository, as in ${name}:model-q4_0.gguf`,
    );
  }
  return { repo: { type: "model", name }, revision, ...(file === undefined ? {} : { file }) };
}

/** The text that `parseHubName` reads a name from. */
export function hubNameText({ repo, revision, file }: HubName): string {
  const at = revision === DEFAULT_REVISION ? "" : `@${revision}`;
  return `${repo.name}${at}${file === undefined ? "" : `:${file}`}`;
}

/** Whether a revision is a whole commit, which never moves. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * Whether `name` can be an owner and a name: as huggingface_hub has it
 * (`utils/_validators.py`, `validate_repo_id`). In the cache "--" stands for the slash.
 */
export function isRepoName(name: string): boolean {
  const parts = name.split("/");
  return parts.length === 2 && !/--|\.\./.test(name) && !name.endsWith(".git") &&
    parts.every((part) => /^\w(?:[\w.-]{0,94}\w)?$/.test(part));
}

/** Whether `revision` can be one, and a path of a file below the cache's refs (git-check-ref-format(1)). */
function isRevision(revision: string): boolean {
  return isRepoPath(revision) && /^[\w./+#-]+$/.test(revision) && !/^-|\.lock$/.test(revision);
}

/** Whether `path` is that of a file in a repository, and stays below the folder it is put in. */
export function isRepoPath(path: string): boolean {
  return path.length <= 1024 && !/[\\:*?"<>|\p{Cc}]/u.test(path) &&
    path.split("/").every((part) => part !== "" && !/^\.|[. ]$/.test(part));
}
