/**
 * Files that are written together: in a folder of their own beside where they belong, and moved into
 * place, folders below included, when all of them are whole. A process that is killed while it writes leaves the old files. One
 * that is killed while it moves, a matter of microseconds, leaves a part of the old set or of the new
 * one and never a mixture, and what is missing lies in the folder: the next that writes there puts it
 * in place.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { inFolder } from "./folder_lock.ts";

/** Folders of files that are not in their places yet. */
const PREFIX = ".kvreplay-unfinished-";
/** What is written, and what it takes the place of. */
const NEW = "new";
const OLD = "old";
/** Where folders cannot be locked, one that is so old was left behind. */
const ABANDONED_MS = 3_600_000;
/** A disk without room for a block has none for results. */
const BLOCK = 4096;

/**
 * Writes files, all of them or none, each as a whole or not at all.
 *
 * @param contents texts or bytes by name, or by a path below the folder with slashes
 * @throws what the system says when one cannot be written; the old files are in their places then
 */
export function writeTogether(
  folder: string,
  contents: Readonly<Record<string, string | Uint8Array>>,
): void {
  inFolder(folder, (alone) => {
    settle(folder, alone);
    const place = makePlace(folder);
    try {
      for (const [name, content] of Object.entries(contents)) {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
        const path = join(place, NEW, name);
        Deno.mkdirSync(dirname(path), { recursive: true });
        writeFile(path, bytes);
      }
      install(folder, place, Object.keys(contents));
    } finally {
      clear(place);
    }
  });
}

/**
 * Finds out whether files can be written to a folder, and removes what killed processes left there.
 *
 * @throws what the system says when they cannot
 */
export function tryFolder(folder: string): void {
  inFolder(folder, (alone) => {
    settle(folder, alone);
    const place = makePlace(folder);
    try {
      writeFile(join(place, NEW, "attempt"), new Uint8Array(BLOCK));
    } finally {
      Deno.removeSync(place, { recursive: true });
    }
  });
}

function makePlace(folder: string): string {
  const place = join(folder, `${PREFIX}${crypto.randomUUID()}`);
  Deno.mkdirSync(join(place, NEW), { recursive: true });
  return place;
}

function writeFile(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true });
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  // A disk that is full may say so only now.
  file.syncDataSync();
}

/** Moves files into place. */
function install(folder: string, place: string, names: readonly string[]): void {
  for (const name of names) {
    if (infoOf(join(folder, name))?.isDirectory) {
      throw new UserError(`A folder is called "${name}" there; expected a file, or none`);
    }
  }
  // One file takes the place of another at once.
  if (names.length === 1) return move(names[0]!, join(place, NEW), folder);
  Deno.mkdirSync(join(place, OLD));
  try {
    for (const name of names) {
      if (infoOf(join(folder, name)) !== undefined) move(name, folder, join(place, OLD));
    }
    for (const name of names) move(name, join(place, NEW), folder);
  } catch (error) {
    restore(folder, place, names);
    throw error;
  }
  attempt(() => Deno.removeSync(join(place, OLD), { recursive: true }));
}

/** Puts the old files back where the new ones could not be put. */
function restore(folder: string, place: string, names: readonly string[]): void {
  const left = new Set(filesIn(join(place, NEW)));
  for (const name of names) if (!left.has(name)) attempt(() => Deno.removeSync(join(folder, name)));
  for (const name of filesIn(join(place, OLD))) attempt(() => move(name, join(place, OLD), folder));
  // Folders that were made for the new ones.
  for (const name of names) removeEmpty(folder, dirname(name));
}

/** Finishes, or else removes, what killed processes left. */
function settle(folder: string, alone: boolean): void {
  for (const name of namesIn(folder)) {
    const place = join(folder, name);
    const info = name.startsWith(PREFIX) ? infoOf(place) : undefined;
    if (!info?.isDirectory) continue;
    if (!alone && Date.now() - (info.mtime?.getTime() ?? 0) < ABANDONED_MS) continue;
    // It was killed while it moved: its files are whole.
    if (infoOf(join(place, OLD)) !== undefined) {
      for (const file of filesIn(join(place, NEW))) {
        attempt(() => move(file, join(place, NEW), folder));
      }
      for (const file of filesIn(join(place, OLD))) {
        if (infoOf(join(folder, file)) !== undefined) continue;
        attempt(() => move(file, join(place, OLD), folder));
      }
      attempt(() => Deno.removeSync(join(place, OLD), { recursive: true }));
    }
    attempt(() => clear(place));
  }
}

/** Removes a folder of unfinished files, but none that holds the only copy of an old one. */
function clear(place: string): void {
  attempt(() => Deno.removeSync(join(place, NEW), { recursive: true }));
  if (filesIn(join(place, OLD)).length === 0) {
    attempt(() => Deno.removeSync(join(place, OLD), { recursive: true }));
  }
  attempt(() => Deno.removeSync(place));
}

function move(name: string, from: string, to: string): void {
  const path = join(to, name);
  if (name.includes("/")) Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.renameSync(join(from, name), path);
}

/** Removes a folder below another and those between them, as far as they are empty. */
function removeEmpty(folder: string, below: string): void {
  for (let name = below; name !== "."; name = dirname(name)) {
    attempt(() => Deno.removeSync(join(folder, name)));
  }
}

/** Paths of all files of a folder and those below it, with slashes. */
function filesIn(folder: string): string[] {
  return namesIn(folder).flatMap((name) =>
    infoOf(join(folder, name))?.isDirectory
      ? filesIn(join(folder, name)).map((file) => `${name}/${file}`)
      : [name]
  );
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What cannot be done is left for the next, or is another user's. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}
