/**
 * Where the entries of a cache lie: one folder a kind, and one for what is not finished.
 *
 * @module
 */
import { join } from "node:path";
import { removeAbandoned } from "../../files/held_file.ts";
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

/** Every entry of a cache, unread; none when there is no such folder. */
export function entriesIn(folder: string): EntryPlace[] {
  return entryKinds.flatMap((kind) =>
    [...filesIn(join(folder, kind))]
      .filter(({ path }) => path.endsWith(EXTENSION))
      .map(({ path, info }) => ({ path, kind, bytes: info.size, used: lastChange(info) }))
  );
}

/** Removes what killed processes left unfinished. */
export function removeUnfinished(folder: string): void {
  for (const { path } of filesIn(join(folder, UNFINISHED))) {
    removeAbandoned(path, () => Deno.removeSync(path));
  }
}

function lastChange({ mtime }: Deno.FileInfo): number {
  return mtime?.getTime() ?? 0;
}

/** Files of a folder; never what a link leads to. */
function* filesIn(folder: string): Generator<{ path: string; info: Deno.FileInfo }> {
  let names: Deno.DirEntry[];
  try {
    names = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const { name, isFile } of names) {
    if (!isFile) continue;
    const path = join(folder, name);
    try {
      yield { path, info: Deno.lstatSync(path) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
