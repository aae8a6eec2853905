/**
 * The folder that `--out` names.
 *
 * @module
 */
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { tryFolder, writeTogether } from "../files/write_together.ts";

function cannot(what: string, folder: string, error: unknown): UserError {
  const reason = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory
    ? "it is a file; expected a folder"
    // What Deno says of a device, whatever is allowed.
    : /^Requires all access/.test((error as Error).message)
    ? "it belongs to the system; expected a place of one's own"
    : (error as Error).message;
  return new UserError(`Cannot ${what} ${folder}: ${reason}`);
}

/**
 * Makes the folder, so that a run that could not keep its results fails before it starts, and removes
 * what killed runs left unfinished in it.
 *
 * @throws {UserError} when the folder cannot be made or written
 */
export function openOutputFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    tryFolder(folder);
  } catch (error) {
    throw cannot("write to", folder, error);
  }
}

/**
 * Makes the folder of a file that is to be written.
 *
 * @throws {UserError} when it cannot be made or written, or a folder, a pipe or a device has the name
 */
export function openOutputFile(file: string): void {
  let info: Deno.FileInfo | undefined;
  try {
    info = Deno.statSync(file);
  } catch (error) {
    // What else is wrong shows in its folder.
    if (!(error instanceof Deno.errors.NotFound)) throw cannot("write to", file, error);
  }
  if (info !== undefined && !info.isFile) {
    throw new UserError(`Cannot write to ${file}: it is no file; expected one, or a new name`);
  }
  openOutputFolder(dirname(file));
}

/**
 * Writes files, all of them or none, and all at the end: a run that is killed leaves the old ones.
 * Nothing else of this process runs in between, signal listeners included, so an interrupt comes
 * before or after.
 *
 * @param files contents by name
 * @throws {UserError} when a file cannot be written; then all are as they were
 */
export function writeAll(folder: string, files: Readonly<Record<string, string>>): void {
  try {
    writeTogether(folder, files);
  } catch (error) {
    throw cannot("write results to", folder, error);
  }
}
