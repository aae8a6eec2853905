/**
 * The folder that `--out` names.
 *
 * @module
 */
import { UserError } from "../errors.ts";

function cannot(what: string, folder: string, error: unknown): UserError {
  const reason = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory
    ? "it is a file; expected a folder"
    : (error as Error).message;
  return new UserError(`Cannot ${what} ${folder}: ${reason}`);
}

/**
 * Makes the folder, so that a run that could not keep its results fails before it starts.
 *
 * @throws {UserError} when the folder cannot be made or written
 */
export function openOutputFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".writable-" }));
  } catch (error) {
    throw cannot("write to", folder, error);
  }
}

/**
 * Writes files, all of them or none: under temporary names first, then renamed. Nothing else of this
 * process runs in between, signal listeners included, so an interrupt comes before or after.
 *
 * @param files contents by name
 * @throws {UserError} when a file cannot be written; the temporary ones are removed
 */
export function writeAll(folder: string, files: Readonly<Record<string, string>>): void {
  const written: { temporary: string; path: string }[] = [];
  try {
    for (const [name, text] of Object.entries(files)) {
      const temporary = Deno.makeTempFileSync({ dir: folder, prefix: `.${name}-` });
      written.push({ temporary, path: `${folder}/${name}` });
      Deno.writeTextFileSync(temporary, text);
      // Temporary files are private to their user; results need not be.
      if (Deno.build.os !== "windows") Deno.chmodSync(temporary, 0o644);
    }
    for (const { temporary, path } of written) Deno.renameSync(temporary, path);
  } catch (error) {
    for (const { temporary } of written) {
      try {
        Deno.removeSync(temporary);
      } catch {
        // Renamed already, or gone with its folder: there is nothing left to remove.
      }
    }
    throw cannot("write results to", folder, error);
  }
}
