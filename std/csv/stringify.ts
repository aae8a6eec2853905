/**
 * `stringify` of `@std/csv/stringify`, over `csv-stringify`. Without the `links` line of deno.json
 * the real package takes its place.
 *
 * @module
 */
import { stringify as write } from "csv-stringify/sync";

type PropertyAccessor = number | string;

/** A column with a header of its own, or with its value deeper in the item. */
export interface ColumnDetails {
  header?: string;
  prop: PropertyAccessor | readonly PropertyAccessor[];
}

/** Which property of an item a column shows. */
export type Column = ColumnDetails | PropertyAccessor | readonly PropertyAccessor[];

/** One row. */
export type DataItem = Readonly<Record<string, unknown>> | readonly unknown[];

/** How the table is written. */
export interface StringifyOptions {
  /** Whether the first row names the columns; default true. */
  headers?: boolean;
  /** Default: comma. */
  separator?: string;
  /** Needed when items are objects. */
  columns?: readonly Column[];
  /** Whether the text starts with a byte-order mark. */
  bom?: boolean;
}

function path(column: Column): readonly PropertyAccessor[] {
  if (typeof column !== "object") return [column];
  if (!("prop" in column)) return column;
  return typeof column.prop === "object" ? column.prop : [column.prop];
}

function header(column: Column): string {
  const named = typeof column === "object" && "header" in column ? column.header : undefined;
  return named ?? String(path(column).at(-1));
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function at(item: unknown, keys: readonly PropertyAccessor[]): unknown {
  return keys.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? (value as Record<PropertyAccessor, unknown>)[key]
        : undefined,
    item,
  );
}

/**
 * Writes rows as CSV; lines end in CRLF.
 *
 * @throws {TypeError} when an item is an object and no columns are given
 *
 * @example
 * ```ts
 * import { stringify } from "@std/csv/stringify";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(stringify([{ a: 1, b: "x,y" }], { columns: ["a", "b"] }), 'a,b\r\n1,"x,y"\r\n');
 * ```
 */
export function stringify(data: readonly DataItem[], options: StringifyOptions = {}): string {
  const { headers = true, separator = ",", columns = [], bom = false } = options;
  const rows = data.map((item) => {
    if (columns.length > 0) return columns.map((column) => cell(at(item, path(column))));
    if (Array.isArray(item)) return item.map(cell);
    throw new TypeError("No property accessor function was provided for object");
  });
  if (headers && columns.length > 0) rows.unshift(columns.map(header));
  // A bare line feed would split the row for readers that accept it as a line's end.
  return write(rows, {
    delimiter: separator,
    record_delimiter: "\r\n",
    quoted_match: /[\r\n]/,
    bom,
  });
}
