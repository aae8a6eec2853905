import { unzipSync } from "fflate";
import { BenchmarkError } from "../benchmark_error.ts";
import { LONGEST_FILE } from "./longest_file.ts";

/**
 * One file of a ZIP archive; what else is in it is not unpacked.
 *
 * @param path in the archive, or only its end
 * @param name of the archive, for messages
 * @throws {BenchmarkError} when it is no archive, or has no such file
 */
export function unzipped(bytes: Uint8Array, path: string, name: string): Uint8Array<ArrayBuffer> {
  let found: Record<string, Uint8Array>;
  try {
    found = unzipSync(bytes, {
      filter: ({ name: entry, originalSize }) => {
        if (entry !== path && !entry.endsWith(`/${path}`)) return false;
        if (originalSize <= LONGEST_FILE) return true;
        throw new BenchmarkError(
          `${name} has ${entry} of ${originalSize} bytes; supported are up to ${LONGEST_FILE}`,
        );
      },
    });
  } catch (error) {
    if (error instanceof BenchmarkError) throw error;
    throw new BenchmarkError(
      `${name} cannot be read as a ZIP archive: ${(error as Error).message}`,
    );
  }
  const [file] = Object.values(found);
  if (file === undefined) throw new BenchmarkError(`${name} has no file ${path} in it`);
  return file as Uint8Array<ArrayBuffer>;
}
