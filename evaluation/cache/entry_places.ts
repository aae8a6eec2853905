/**
 * Where the entries of a cache lie: one folder a kind, and one for what is not finished.
 *
 * @module
 */
import { join } from "node:path";
import { removeAbandoned } from "../../files/held_file.ts";
import { CacheError } from "./cache_error.ts";
import { type EntryKind, entryKinds } from "./entry_file.ts";

const UNFINISHED = "unfinished";
const EXTENSION = ".kvcache";

/** An entry as its folder knows it, unread. */
export interface EntryPlace {
  readonly path: string;
  readonly kind: EntryKind;
  /** Size of its file. */
  readonly bytes: number;
  /** When it was last used, in milliseconds since 1970. */
  readonly used: number;
}

/** Every folder that a cache makes in its own. */
export function cacheFolders(folder: string): string[] {
  return [...entryKinds, UNFINISHED].map((name) => join(folder, name));
}

/** The file of an entry. */
export function entryPath(folder: string, kind: EntryKind, key: string): string {
  return join(folder, kind, `${key}${EXTENSION}`);
}

/** A new name for a file that is not finished. */
export function unfinishedPath(folder: string): string {
  return join(folder, UNFINISHED, crypto.randomUUID());
}

/**
 * Everything that has an entry's name in a cache, unread, links and folders too; none when there is no
 * such folder.
 *
 * @throws {CacheError} when a folder of it cannot be read
 */
export function entriesIn(folder: string): EntryPlace[] {
  return entryKinds.flatMap((kind) =>
    [...namesIn(join(folder, kind))]
      .filter(({ path }) => path.endsWith(EXTENSION))
      .map(({ path, info }) => ({
        path,
        kind,
        bytes: info.isFile ? info.size : 0,
        used: lastChange(info),
      }))
  );
}

/** Removes what killed processes left unfinished. */
export function removeUnfinished(folder: string): void {
  for (const { path, info } of namesIn(join(folder, UNFINISHED))) {
    if (info.isFile) removeAbandoned(path, () => Deno.removeSync(path));
  }
}

function lastChange({ mtime }: Deno.FileInfo): number {
  return mtime?.getTime() ?? 0;
}

/** What a folder holds; of links, never what they lead to. */
function* namesIn(folder: string): Generator<{ path: string; info: Deno.FileInfo }> {
  let names: Deno.DirEntry[];
  try {
    names = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    const reason = error instanceof Deno.errors.NotADirectory ? "it is no folder" : error.message;
    throw new CacheError(`Part of the cache, "${folder}", cannot be read: ${reason}`);
  }
  for (const { name } of names) {
    const path = join(folder, name);
    try {
      yield { path, info: Deno.lstatSync(path) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
