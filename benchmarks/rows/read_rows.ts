/**
 * Rows of a file: JSON lines, Parquet, or one of these in a ZIP archive.
 *
 * @module
 */
import type { Row } from "../benchmark.ts";
import { BenchmarkError } from "../benchmark_error.ts";
import { fileLines } from "../file_lines.ts";
import { DEFAULT_DATA_LIMITS } from "../data_limits.ts";
import { linesOf } from "../json_line.ts";
import { JsonRows } from "./json_rows.ts";
import { LONGEST_FILE } from "./longest_file.ts";
import { parquetRows } from "./parquet_rows.ts";
import { unzipped } from "./zip_file.ts";

/** Whether a file holds rows, by its name. */
export function isRowFile(path: string): boolean {
  return /\.(jsonl|ndjson|parquet|zip)$/i.test(path);
}

/**
 * Reads the rows of a file.
 *
 * @param inside path in the archive, where the file is one
 * @param lineBytes that a line of JSON may have
 * @throws {BenchmarkError} naming the file, and the line or row of what is wrong
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRows } from "./read_rows.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(path, '{"question": "1 + 1?", "answer": 2}\n');
 * assertEquals(await readRows(path), [{ question: "1 + 1?", answer: 2 }]);
 * await Deno.remove(path);
 * ```
 */
export async function readRows(
  path: string,
  inside?: string,
  lineBytes: number = DEFAULT_DATA_LIMITS.lineBytes,
): Promise<readonly Row[]> {
  try {
    if (/\.zip$/i.test(path)) {
      if (inside === undefined) {
        throw new BenchmarkError(`${path} is an archive; give the file of rows that is in it`);
      }
      return await rowsIn(
        unzipped(await wholeFile(path), inside, path),
        `${path}:${inside}`,
        lineBytes,
      );
    }
    if (/\.parquet$/i.test(path)) return await parquetRows(await wholeFile(path), path);
    const rows = new JsonRows(path, lineBytes);
    for await (const line of fileLines(path, lineBytes)) rows.add(line);
    return rows.all();
  } catch (error) {
    throw error instanceof BenchmarkError ? error : unreadable(path, error);
  }
}

async function rowsIn(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  lineBytes: number,
): Promise<readonly Row[]> {
  if (/\.parquet$/i.test(name)) return await parquetRows(bytes, name);
  const rows = new JsonRows(name, lineBytes);
  for (const line of linesOf(bytes)) rows.add(line);
  return rows.all();
}

async function wholeFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await Deno.stat(path);
  if (size > LONGEST_FILE) {
    throw new BenchmarkError(
      `${path} has ${size} bytes; supported are up to ${LONGEST_FILE}, or JSON lines of any length`,
    );
  }
  return await Deno.readFile(path);
}

function unreadable(path: string, error: unknown): BenchmarkError {
  const reason = error instanceof Deno.errors.NotFound
    ? "there is no such file"
    : error instanceof Deno.errors.IsADirectory
    ? "it is a folder"
    : (error as Error).message;
  return new BenchmarkError(
    `Cannot read ${path}: ${reason}; expected JSON lines, Parquet or a ZIP archive`,
  );
}
