import { unzipSync } from "fflate";
import { BenchmarkError } from "../benchmark_error.ts";
import { LONGEST_FILE } from "./longest_file.ts";

/**
 * One file of a ZIP archive; what else is in it is not unpacked.
 *
 * @param path in the archive, or only its end; in an archive without such a path, its last part
 * @param name of the archive, for messages
 * @throws {BenchmarkError} when it is no archive, or has no such file, or several
 */
export function unzipped(bytes: Uint8Array, path: string, name: string): Uint8Array<ArrayBuffer> {
  const entry = entryOf(bytes, path, name);
  const found = read(bytes, name, (candidate) => candidate === entry);
  return found[entry] as Uint8Array<ArrayBuffer>;
}

/** The one entry that has the path. */
function entryOf(bytes: Uint8Array, path: string, name: string): string {
  const entries: { name: string; size: number }[] = [];
  read(bytes, name, (entry, size) => {
    entries.push({ name: entry, size });
    return false;
  });
  const last = path.split("/").at(-1)!;
  const ending = (end: string) =>
    entries.filter(({ name: entry }) => entry === end || entry.endsWith(`/${end}`));
  const whole = ending(path);
  const [found, ...others] = whole.length > 0 ? whole : ending(last);
  if (found === undefined) throw new BenchmarkError(`${name} has no file ${path} in it`);
  if (others.length > 0) {
    throw new BenchmarkError(
      `${name} has ${others.length + 1} files ${last}, ${found.name} and ${
        others[0]!.name
      } among ` +
        `them; expected one`,
    );
  }
  if (found.size <= LONGEST_FILE) return found.name;
  throw new BenchmarkError(
    `${name} has ${found.name} of ${found.size} bytes; supported are up to ${LONGEST_FILE}`,
  );
}

/** Unpacks the entries that are wanted. */
function read(
  bytes: Uint8Array,
  name: string,
  wanted: (entry: string, size: number) => boolean,
): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter: (entry) => wanted(entry.name, entry.originalSize) });
  } catch (error) {
    throw new BenchmarkError(
      `${name} cannot be read as a ZIP archive: ${(error as Error).message}`,
    );
  }
}
