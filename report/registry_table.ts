/**
 * Families and policies as a table: aligned on a terminal, separated by tabs in a pipe.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import type { RegistryRow } from "../evaluation/registry_rows.ts";

/** How the table is laid out. */
export interface RegistryTableLayout {
  /** Length of the cache that the rows were measured on. */
  readonly tokens: number;
  /** Columns padded for reading; without it fields are separated by one tab. */
  readonly aligned: boolean;
}

const titles = (tokens: number): readonly string[] => [
  "name",
  "kind",
  "code bits",
  "bits/element",
  `at ${tokens} tokens`,
  "axis key/value",
  "window",
  "sinks",
  "calibration",
  "hooks used",
  "source",
];

function cells(row: RegistryRow): string[] {
  const decimal = (value: number | undefined) => value === undefined ? "-" : value.toFixed(3);
  // What is entropy coded takes as much as the data makes it take.
  const about = row.entropyCoded ? "~" : "";
  const axes = KV_KINDS.map((kind) => row.axis[kind].join("|") || "-");
  return [
    row.name,
    row.what,
    row.widths.join(",") || "-",
    `${about}${decimal(row.bits)}`,
    `${about}${decimal(row.cacheBits)}`,
    axes.join("/"),
    String(row.window ?? "asked"),
    typeof row.sinks === "boolean" ? (row.sinks ? "asked" : "none") : String(row.sinks),
    row.calibration,
    row.hooks.join(" ") || "-",
    row.refused === undefined ? row.source.join("; ") || "-" : `not measured: ${row.refused}`,
  ];
}

/** The rows with their titles, one line each. */
export function registryTable(
  rows: readonly RegistryRow[],
  { tokens, aligned }: RegistryTableLayout,
): string {
  const table = [titles(tokens), ...rows.map(cells)];
  if (!aligned) return table.map((line) => line.join("\t")).join("\n");
  const widths = table[0]!.map((_, i) => Math.max(...table.map((line) => line[i]!.length)));
  return table
    .map((line) => line.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd())
    .join("\n");
}
