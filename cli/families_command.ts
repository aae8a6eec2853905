/**
 * Lists the quantizer families and the built-in policies.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { MEASURED_TOKENS, registryRows } from "../evaluation/registry_rows.ts";
import { registryTable } from "../report/registry_table.ts";
import { print } from "../report/terminal.ts";
import { FAMILIES_OPTIONS } from "./families_options.ts";
import { refuseUnknown } from "./option_values.ts";

/** Prints the table, or JSON with `--json`; the exit code is 0. */
export async function listFamilies(args: readonly string[]): Promise<number> {
  const { json } = parseArgs([...args], {
    boolean: ["json"],
    string: ["_"],
    unknown: refuseUnknown(FAMILIES_OPTIONS),
  });
  const rows = await registryRows();
  const layout = { tokens: MEASURED_TOKENS, aligned: Deno.stdout.isTerminal() };
  print(json ? JSON.stringify(rows, null, 2) : registryTable(rows, layout));
  return 0;
}
