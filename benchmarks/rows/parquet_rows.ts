import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Row } from "../benchmark.ts";
import { BenchmarkError } from "../benchmark_error.ts";

/**
 * The rows of a Parquet file. Whole numbers of 64 bits become numbers.
 *
 * @param name of the file, for messages
 * @throws {BenchmarkError} when it is none, or has no rows
 */
export async function parquetRows(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<readonly Row[]> {
  let rows: readonly Row[];
  try {
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    rows = await parquetReadObjects({ file, compressors });
  } catch (error) {
    throw new BenchmarkError(
      `${name} cannot be read as a Parquet file: ${(error as Error).message}`,
    );
  }
  if (rows.length === 0) throw new BenchmarkError(`${name} has ${rows.length} rows; expected some`);
  return rows.map((row) => plain(row) as Row);
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}
