/**
 * Files that belong to the process that writes them: it holds a lock on them, which ends with it, so
 * that whoever comes later can tell what a killed process left from what a living one is writing.
 *
 * @module
 */

/** Where nothing can be locked, a file that nobody has written to for so long was left behind. */
const ABANDONED_MS = 3_600_000;

/** A new file, held. */
export interface HeldFile extends Disposable {
  readonly path: string;
  readonly file: Deno.FsFile;
}

/**
 * Makes a file and holds it until it is closed.
 *
 * @param newPath a name that nothing has; asked again when somebody took the file for abandoned,
 *   between its making and its lock
 * @throws what the system says when it cannot be made
 */
export async function createHeld(newPath: () => string | Promise<string>): Promise<HeldFile> {
  for (;;) {
    const path = await newPath();
    const file = await Deno.open(path, { write: true, createNew: true });
    if (await isOurs(file)) return { path, file, [Symbol.dispose]: () => file.close() };
    file.close();
  }
}

async function isOurs(file: Deno.FsFile): Promise<boolean> {
  try {
    if (!await file.tryLock(true)) return false;
  } catch {
    // There are no locks here: its age tells.
    return true;
  }
  return (await file.stat()).nlink !== 0;
}

/**
 * Removes a file that nobody holds.
 *
 * @param remove removes it, or the folder that was made for it
 */
export function removeAbandoned(path: string, remove: () => void): void {
  try {
    using file = Deno.openSync(path, { write: true });
    if (isAbandoned(file)) remove();
  } catch {
    // Finished or removed in the meantime, or another user's: whoever can removes it.
  }
}

function isAbandoned(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    return Date.now() - (file.statSync().mtime?.getTime() ?? 0) > ABANDONED_MS;
  }
}
