/**
 * Help texts.
 *
 * @module
 */
import { policyNames } from "../policies/registry.ts";
import type { OptionRow } from "./option_table.ts";

/** Rows of two columns, indented. */
export function twoColumns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

/** The text of `kvreplay --help`. */
export function mainHelp(summaries: Readonly<Record<string, string>>): string {
  return `Replay a language model's KV cache through quantizers and see what it costs.

Usage: kvreplay COMMAND [OPTIONS]     (or: deno task COMMAND [OPTIONS])

Commands:
${twoColumns(Object.entries(summaries))}

Options:
${
    twoColumns([["--help", "this text; after a command, its options"], [
      "--version",
      "the version",
    ]])
  }`;
}

/** The text of `kvreplay COMMAND --help`. */
export function commandHelp(
  command: string,
  summary: string,
  table: Readonly<Record<string, OptionRow>>,
): string {
  return `${summary}.

Usage: kvreplay ${command} [OPTIONS]

Options:
${optionRows(table)}`;
}

/** The same for a command that knows policies by name. */
export function policyCommandHelp(
  command: string,
  summary: string,
  table: Readonly<Record<string, OptionRow>>,
): string {
  return `${commandHelp(command, summary, table)}

Policies:
  ${policyNames.join("\n  ")}`;
}

/** The options of a table, with what each does. */
export function optionRows(table: Readonly<Record<string, OptionRow>>): string {
  return twoColumns(
    Object.entries(table).map(([name, { value, help }]) => [
      value === undefined ? `--${name}` : `--${name} ${value}`,
      help,
    ]),
  );
}
