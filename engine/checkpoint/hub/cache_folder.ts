/**
 * Where the hub's files are kept: the folder that huggingface_hub uses (`constants.py`), so that what
 * one program has downloaded serves the others.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";

/** Where a user's own folder is. */
const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";

/** Variables that say where the folder is; the first that is set decides. */
export const CACHE_VARIABLES = [
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
  "HF_HOME",
  "XDG_CACHE_HOME",
  HOME,
] as const;

/** Value of a variable; undefined for one that is not set. */
export type Variables = (name: string) => string | undefined;

/**
 * Variables of this process.
 *
 * @throws {UserError} for one that this process may not read
 */
export function processVariables(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new UserError(
      `The variable ${name}, which says where the hub's files are, may not be read: allow it with --allow-env=${
        CACHE_VARIABLES.join(",")
      }`,
    );
  }
}

/**
 * The folder with one folder for each repository.
 *
 * @throws {UserError} when no variable says where it is
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hubCacheFolder } from "./cache_folder.ts";
 *
 * const variables = new Map([["HF_HOME", "/data/hf"], ["HOME", "/home/me"]]);
 * assertEquals(hubCacheFolder((name) => variables.get(name)), "/data/hf/hub");
 * ```
 */
export function hubCacheFolder(variables: Variables = processVariables): string {
  return folderOf("HF_HUB_CACHE", variables) ?? folderOf("HUGGINGFACE_HUB_CACHE", variables) ??
    join(hubHome(variables), "hub");
}

/**
 * The folder that also holds the token.
 *
 * @throws {UserError} when no variable says where it is
 */
export function hubHome(variables: Variables = processVariables): string {
  const home = folderOf("HF_HOME", variables);
  if (home !== undefined) return home;
  const caches = folderOf("XDG_CACHE_HOME", variables) ?? join(userFolder(variables), ".cache");
  return join(caches, "huggingface");
}

/** A folder that a variable names, `~` for the user's own as in Python's `expanduser`. */
function folderOf(name: string, variables: Variables): string | undefined {
  const value = variables(name);
  if (value === undefined || value === "") return undefined;
  if (/\$\w|\$\{/.test(value)) {
    throw new UserError(
      `${name} is ${JSON.stringify(value)}: name the folder itself, without a variable in it`,
    );
  }
  return /^~($|[/\\])/.test(value) ? join(userFolder(variables), value.slice(1)) : value;
}

function userFolder(variables: Variables): string {
  const folder = variables(HOME);
  if (folder !== undefined && folder !== "") return folder;
  throw new UserError(
    `Neither HF_HOME nor ${HOME} says where the hub's files are: set one of them`,
  );
}
