/**
 * One process at a time puts files into a folder.
 *
 * @module
 */
import { UserError } from "../errors.ts";

/** What is done under the lock takes milliseconds. */
const LONGEST_WAIT_MS = 10_000;
const RETRY_MS = 10;

/**
 * Does something while no other process that asks for the lock of a folder does. The lock is on the
 * folder itself and ends with the process, so that it leaves no file and cannot be left behind.
 *
 * @param work is told whether it really is alone: some systems lock no folders
 * @throws {UserError} when somebody else has the lock for ten seconds
 * @throws what the system says when there is no such folder
 */
export function inFolder<V>(folder: string, work: (alone: boolean) => V): V {
  if (Deno.build.os === "windows") return work(false);
  using lock = Deno.openSync(folder, { read: true });
  return work(isLocked(lock, folder));
}

function isLocked(lock: Deno.FsFile, folder: string): boolean {
  for (let waited = 0; waited < LONGEST_WAIT_MS; waited += RETRY_MS) {
    try {
      if (lock.tryLockSync(true)) return true;
    } catch {
      return false;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
  }
  throw new UserError(
    `Another process has been writing to ${folder} for ${LONGEST_WAIT_MS / 1000} seconds; ` +
      `expected it to be done`,
  );
}
