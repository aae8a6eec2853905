/**
 * What a cache holds, as a table for people.
 *
 * @module
 */
import type { CacheRow } from "../evaluation/cache/cache_contents.ts";
import prettyBytes from "pretty-bytes";
import { alignedRows } from "./table.ts";

const TITLES = [
  "model",
  "device",
  "references",
  "calibrations",
  "weights",
  "size",
  "last used",
] as const;

/**
 * The rows under their titles, with a sum below them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cacheTable } from "./cache_table.ts";
 *
 * const used = Date.UTC(2026, 10, 27, 9, 30);
 * const row = { model: "mini", device: "cpu", references: 96, calibrations: 5, weights: 0 };
 * assertEquals(cacheTable([{ ...row, bytes: 2 ** 30, used }]), [
 *   "model  device  references  calibrations  weights   size             last used",
 *   "mini      cpu          96             5        0  1 GiB  2026-11-27 09:30 UTC",
 *   "all                    96             5        0  1 GiB",
 * ].join("\n"));
 * ```
 */
export function cacheTable(rows: readonly CacheRow[]): string {
  const sum = (field: "references" | "calibrations" | "weights" | "bytes") =>
    rows.reduce((total, row) => total + row[field], 0);
  return alignedRows([
    TITLES,
    ...rows.map((row) => [
      row.model ?? "(damaged)",
      row.device ?? "",
      String(row.references),
      String(row.calibrations),
      String(row.weights),
      prettyBytes(row.bytes, { binary: true }),
      `${new Date(row.used).toISOString().slice(0, 16).replace("T", " ")} UTC`,
    ]),
    [
      "all",
      "",
      String(sum("references")),
      String(sum("calibrations")),
      String(sum("weights")),
      prettyBytes(sum("bytes"), { binary: true }),
    ],
  ]).join("\n");
}
