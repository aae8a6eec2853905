/**
 * `parse` of `@std/csv/parse`, over `csv-parse`. Without the `links` line of deno.json the real
 * package takes its place.
 *
 * @module
 */
import { CsvError, parse as read } from "csv-parse/sync";

/** How the table is read. */
export interface ParseOptions {
  /** Default: comma. */
  separator?: string;
  /** Lines that start with it are left out. */
  comment?: string;
  trimLeadingSpace?: boolean;
  lazyQuotes?: boolean;
  /** Whether the first row names the columns (or is dropped, when `columns` are given). */
  skipFirstRow?: boolean;
  columns?: readonly string[];
}

/** Rows of texts, or objects when the columns have names. */
export type ParseResult<T extends ParseOptions> = T extends { skipFirstRow: true }
  ? Record<string, string>[]
  : T extends { columns: readonly string[] } ? Record<string, string>[]
  : string[][];

/**
 * Reads CSV.
 *
 * @throws {SyntaxError} on text that is no CSV, or on a row whose length is not that of the columns
 *
 * @example
 * ```ts
 * import { parse } from "@std/csv/parse";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parse("a,b\nc,d", { skipFirstRow: true }), [{ a: "c", b: "d" }]);
 * ```
 */
export function parse<const T extends ParseOptions = Record<never, never>>(
  input: string,
  options: T = {} as T,
): ParseResult<T> {
  const { separator = ",", comment, trimLeadingSpace = false, lazyQuotes = false } = options;
  let rows: string[][];
  try {
    rows = read(input, {
      bom: true,
      delimiter: separator,
      ltrim: trimLeadingSpace,
      relax_quotes: lazyQuotes,
      relax_column_count: true,
      skip_empty_lines: true,
      ...(comment === undefined ? {} : { comment }),
    }) as string[][];
  } catch (error) {
    throw error instanceof CsvError ? new SyntaxError(error.message) : error;
  }
  const first = options.skipFirstRow ? rows.shift() : undefined;
  const names = options.columns ?? first;
  if (names === undefined) return rows as ParseResult<T>;
  return rows.map((row, i) => {
    if (row.length !== names.length) {
      throw new SyntaxError(
        `record ${i + 1} has ${row.length} fields, but the header has ${names.length} fields`,
      );
    }
    return Object.fromEntries(names.map((name, at) => [name, row[at]!]));
  }) as ParseResult<T>;
}
